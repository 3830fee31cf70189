import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { addSentences } from '../../lib/t.ts'
import { search } from '../../locales/en/search.ts'
import { testBench } from '../../locales/en/test-bench.ts'
import { BenchCaveat } from './bench-caveat.tsx'
import type { Checked } from './means.ts'
import { MeansTable } from './means-table.tsx'

addSentences({ ...search, ...testBench })

const AWAY = 'The search engine can not be used'

test('a comparison says which of the two it is that lacks the meaning: the search engine, or a model', () => {
  const said = (props: Parameters<typeof BenchCaveat>[0]) => renderToStaticMarkup(<BenchCaveat {...props} />)
  expect(said({ away: true, noMeaning: true })).toContain(AWAY)
  expect(said({ away: true, noMeaning: true })).not.toContain('is not installed')
  expect(said({ away: false, noMeaning: true })).toContain('is not installed')
  expect(said({ away: false })).toBe('')
})

test('means of questions that were asked while the search engine was away say so, if only of one of them', () => {
  const by = { rank: 1, measures: { 'nDCG@10': 1, 'recall@10': 1, 'MRR@10': 1 } }
  const checked = (wordsOnly: Checked['wordsOnly']) =>
    ({ words: by, meaning: null, fused: by, wordsOnly }) as Checked
  const said = (all: Checked[]) =>
    renderToStaticMarkup(<MeansTable checked={all} failed={0} collectionId="c" />)
  expect(said([checked(null), checked('engine-away')])).toContain(AWAY)
  expect(said([checked(null), checked(null)])).not.toContain(AWAY)
})
