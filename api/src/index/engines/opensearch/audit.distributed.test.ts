// A real node that holds something else than the database says, as after a restore or a lost shard.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ask, collections, found, lines, PATIENCE_MS, pears, place } from './fixtures.ts'

const AGAIN = /"document":\d+/g

test('what the cluster has lost, or has kept of what was deleted, is as the database says soon after', async () => {
  await using of = await place()
  const first = of.start()
  const [here, there] = [await of.library.collection(), await of.library.collection()]
  const vectors = [
    { text: 'pear one', vector: [1, 0] },
    { text: 'pear two', vector: [0, 1] },
  ]
  const half = await of.library.publish(await of.library.document(here), vectors)
  const lost = await of.library.publish(await of.library.document(here), vectors)
  const wordsOnly = await of.library.publish(await of.library.document(here), pears(2))
  const moved = await of.library.publish(await of.library.document(here), pears(1))
  const gone = await of.library.document(here)
  await of.library.publish(gone, pears(2))
  await first.waitFor(await of.library.retract(gone), PATIENCE_MS)
  await first.close()
  const remove = (ids: readonly number[]) =>
    ask('POST', `/${of.alias}/_delete_by_query?refresh=true`, { query: { terms: { passageId: ids } } })
  await remove([half.passageIds[0] ?? 0, ...lost.passageIds])
  const version = `version=${moved.position.seq}&version_type=external_gte`
  const put = (id: number, documentKey: number, collectionKey: number) =>
    ask('PUT', `/${of.alias}/_doc/${id}?routing=${collectionKey}&refresh=true&${version}`, {
      ...{ passageId: id, documentKey, collectionKey, versionId: 'of before', language: 'en' },
      ...{ words: 'pear', length: 1, embedded: false },
    })
  await put(1_000_001, gone.key, here.key)
  await put(1_000_002, gone.key + 1_000, here.key)
  // The same passage, left where its document was before.
  await put(moved.passageIds[0] ?? 0, gone.key - 1, there.key)
  const { log, text } = lines()
  const second = of.start(log)
  const all = [half, lost, wordsOnly, moved].flatMap(({ passageIds }) => passageIds)
  await expect
    .poll(
      () => found(second, 'pear', collections(here, there)).then((ids) => ids.toSorted((a, b) => a - b)),
      {
        timeout: PATIENCE_MS,
      },
    )
    .toEqual(all)
  expect(text().match(AGAIN)).toHaveLength(5)
  const nearest = { text: '', vector: new Float32Array([1, 0, 0, 0, 0, 0, 0, 0]), limit: 10 } as const
  const { candidates } = await second.search({ ...nearest, filter: collections(here), method: 'meaning' })
  expect(candidates).toHaveLength(4)
})

test('what is on its way is no difference', async () => {
  await using of = await place()
  const { log, text } = lines()
  const index = of.start(log)
  const collection = await of.library.collection()
  const documents = []
  for (let n = 0; n < 40; n++) {
    const document = await of.library.document(collection)
    documents.push(document)
    const { position } = await of.library.publish(document, pears(3))
    if (n % 3 === 0) await of.library.retract(documents[n >> 1] ?? document)
    if (n % 8 === 0) await index.waitFor(position, PATIENCE_MS)
    // Another writer begins, and looks at everything.
    if (n % 10 === 5) await of.start(log).close()
    await sleep(10)
  }
  await index.waitFor(await of.library.session('somebody'), PATIENCE_MS)
  expect(text()).not.toContain('written again')
})
