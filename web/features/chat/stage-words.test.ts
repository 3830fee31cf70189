import { expect, test } from 'vitest'
import { isWorking, type StagedVersion, stageWords } from './stage-words.ts'

const version = (fields: Partial<StagedVersion>): StagedVersion => ({
  stage: 'received',
  pages: null,
  pagesParsed: 0,
  passages: null,
  passagesEmbedded: 0,
  ...fields,
})

test('stages are said with the counts that are known', () => {
  expect(stageWords(version({}))).toBe('Received')
  expect(stageWords(version({ stage: 'parsing' }))).toBe('Reading')
  expect(stageWords(version({ stage: 'parsing', pages: 90, pagesParsed: 11 }))).toBe('Reading page 12 of 90')
  expect(stageWords(version({ stage: 'parsing', pages: 90, pagesParsed: 90 }))).toBe('Reading page 90 of 90')
  expect(stageWords(version({ stage: 'words', passages: 1200, passagesEmbedded: 300 }))).toBe(
    'Searchable by words, 300 of 1,200 passages understood',
  )
  expect(stageWords(version({ stage: 'searchable' }))).toBe('Searchable')
})

test('work goes on until one of the three ends', () => {
  expect(isWorking({ version: version({ stage: 'words' }) })).toBe(true)
  for (const stage of ['searchable', 'attention', 'cancelled'] as const) {
    expect(isWorking({ version: version({ stage }) })).toBe(false)
  }
})
