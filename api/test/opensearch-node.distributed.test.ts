import { expect, inject, test } from 'vitest'

test('a node finds the nearest vector', async () => {
  const index = `${inject('opensearch')}/try`
  const send = (method: string, at: string, body: unknown) =>
    fetch(`${index}${at}`, {
      method,
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }).then((response) => response.json() as Promise<{ hits?: { hits: { _id: string }[] } }>)
  const method = { name: 'hnsw', engine: 'lucene', space_type: 'cosinesimil' }
  await send('PUT', '', {
    settings: { index: { knn: true } },
    mappings: { properties: { v: { type: 'knn_vector', dimension: 2, method } } },
  })
  await send('PUT', '/_doc/east?refresh=true', { v: [1, 0] })
  await send('PUT', '/_doc/north?refresh=true', { v: [0, 1] })
  const found = await send('POST', '/_search', { query: { knn: { v: { vector: [0.9, 0.1], k: 1 } } } })
  expect(found.hits?.hits.map(({ _id }) => _id)).toEqual(['east'])
})
