import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { addSentences } from '../../lib/t.ts'
import { search } from '../../locales/en/search.ts'
import { SearchCaveats } from './search-caveats.tsx'

addSentences(search)

const said = (found: Parameters<typeof SearchCaveats>[0]['found']) =>
  renderToStaticMarkup(<SearchCaveats found={found} />)

test('a search that went by words only says why: the search engine is away, or a model is not there', () => {
  const away = said({ mode: 'words', behind: false, wordsOnly: 'engine-away' })
  expect(away).toContain('Searched by words only')
  expect(away).toContain('The search engine can not be used at the moment.')
  expect(away).not.toContain('is not installed')
  const without = said({ mode: 'words', behind: false, wordsOnly: null })
  expect(without).toContain('is not installed')
  expect(without).not.toContain('search engine')
})

test('a search that lacks nothing says nothing', () => {
  expect(said({ mode: 'words+meaning', behind: false, wordsOnly: null })).toBe('')
  expect(said({ mode: 'words+meaning', behind: true, wordsOnly: null })).toContain(
    'The newest changes may be missing',
  )
})
