import { expect, test } from 'vitest'
import { parseConfig } from '../../../config.ts'
import { readAddress } from './address.ts'

const base = {
  DATABASE_URL: 'postgresql://terrace@localhost/terrace',
  STORAGE: 'file:/var/lib/terrace',
  AUTH_SECRET: 'a-secret-of-at-least-32-characters',
}

test('the index is embedded unless OpenSearch is asked for, with its address', () => {
  expect(parseConfig(base)).toMatchObject({ indexEngine: 'embedded', openSearchUrl: undefined })
  const address = { OPENSEARCH_URL: 'https://terrace:secret@search.example:9200/terrace-staging' }
  // Given before the day it is switched to: it can be built then, and answers nothing until it is.
  const openSearchUrl = address.OPENSEARCH_URL
  expect(parseConfig({ ...base, ...address })).toMatchObject({ indexEngine: 'embedded', openSearchUrl })
  const asked = parseConfig({ ...base, ...address, INDEX_ENGINE: 'opensearch' })
  expect(asked).toMatchObject({ indexEngine: 'opensearch', openSearchUrl })
})

test.each([
  ['nothing', undefined, /OPENSEARCH_URL: INDEX_ENGINE=opensearch needs it/],
  ['another protocol', 'ftp://search.example', /OPENSEARCH_URL: must be an http or https address/],
  ['no address', 'search.example:9200', /OPENSEARCH_URL: must be an http or https address/],
  [
    'a name that OpenSearch would not take',
    'http://search.example/Terrace',
    /OPENSEARCH_URL: may end in one name/,
  ],
  ['two names', 'http://search.example/terrace/other', /OPENSEARCH_URL: may end in one name/],
  ['an index for each node', 'http://a.example/one,http://b.example/two', /names more than one index/],
  ['a user for each node', 'http://a:b@a.example,http://c:d@b.example', /names more than one user/],
  ['half of it in the clear', 'http://a.example,https://b.example', /must be all http or all https/],
  ['a node without protocol', 'http://a.example,b.example', /OPENSEARCH_URL: must be an http or https/],
  ['a query', 'http://search.example/terrace?pretty', /OPENSEARCH_URL: may end in one name/],
])('%s as the address is refused by name', (_, url, sentence) => {
  const parse = () => parseConfig({ ...base, INDEX_ENGINE: 'opensearch', OPENSEARCH_URL: url })
  expect(parse).toThrow(sentence)
  if (url !== undefined) expect(parse).not.toThrow(url)
})

test.each([
  ['https://search.example', ['https://search.example'], null, 'terrace'],
  [
    'https://one.example:9200, https://two.example:9200,https://one.example:9200/docs',
    ['https://one.example:9200', 'https://two.example:9200'],
    null,
    'docs',
  ],
  [
    'http://terrace:a,b%2Fc@one.example:9200/docs,http://two.example:9200',
    ['http://one.example:9200', 'http://two.example:9200'],
    { username: 'terrace', password: 'a,b/c' },
    'docs',
  ],
])('%s', (url, nodes, user, name) => {
  const address = { OPENSEARCH_URL: url, INDEX_ENGINE: 'opensearch' }
  expect(readAddress(parseConfig({ ...base, ...address }).openSearchUrl ?? '')).toEqual({ nodes, user, name })
})
