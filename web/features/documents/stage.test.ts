import { describe, expect, it } from 'vitest'
import { DOCUMENT_STAGES } from '../../../contract/stages.ts'
import { isDuplicate, isOpen, stageProgress, stageText, type Version } from './stage.ts'

const version = (change: Partial<Version>): Version => ({
  id: 'v',
  number: 1,
  filename: 'a.pdf',
  mediaType: 'application/pdf',
  bytes: 1,
  stage: 'received',
  pages: null,
  pagesParsed: 0,
  passages: null,
  passagesEmbedded: 0,
  language: null,
  error: null,
  cancelling: false,
  createdAt: new Date(0),
  wordsAt: null,
  searchableAt: null,
  ...change,
})

describe('what a document is doing', () => {
  it('has a sentence for every stage', () => {
    for (const stage of DOCUMENT_STAGES) expect(stageText(version({ stage }))).toMatch(/^[A-Z]/)
  })

  it('counts pages and passages', () => {
    const parsing = version({ stage: 'parsing', pages: 1200, pagesParsed: 300 })
    expect(stageText(parsing)).toBe('Reading, page 301 of 1,200')
    expect(stageProgress(parsing)).toBe(0.25)
    const words = version({ stage: 'words', passages: 40, passagesEmbedded: 10 })
    expect(stageText(words)).toContain('10 of 40 passages')
    expect(stageProgress(words)).toBe(0.25)
  })

  it('never divides by nothing', () => {
    expect(stageProgress(version({ stage: 'parsing', pages: 0 }))).toBeNull()
    expect(stageProgress(version({ stage: 'parsing' }))).toBeNull()
    expect(stageProgress(version({ stage: 'words', passages: 0 }))).toBeNull()
    expect(stageText(version({ stage: 'parsing', pages: 3, pagesParsed: 3 }))).toBe('Reading, page 3 of 3')
  })

  it('says why it needs attention', () => {
    const error = { code: 'FILE_PARSER_CRASHED', message: '', detail: { crashes: 3 } } as const
    expect(stageText(version({ stage: 'attention', error }))).toContain('stopped its reader 3 times')
  })

  it('names the document that a duplicate repeats', () => {
    const duplicate = version({
      stage: 'attention',
      error: { code: 'DUPLICATE', message: '', detail: { documentId: 'x', name: 'Handbook' } },
    })
    expect(isDuplicate(duplicate)).toBe(true)
    expect(stageText(duplicate)).toBe('The same file is already here, as “Handbook”.')
  })

  it('says that it is being stopped, whatever the stage', () => {
    expect(stageText(version({ stage: 'words', cancelling: true }))).toBe('Stopping')
    expect(isOpen(version({ stage: 'words' }))).toBe(true)
    expect(isOpen(version({ stage: 'cancelled' }))).toBe(false)
  })
})
