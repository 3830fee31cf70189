// What operators get wrong, and what a cluster runs out of: each is a sentence in the log and one for whoever searches,
// and once it is put right everything that was accepted meanwhile is found, without a restart.
import { globSync, rmSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { ScriptedAnswer } from '../../../../test/scripted-cluster.ts'
import { ask, collections, found, lines, PATIENCE_MS, type Place, pears, place } from './fixtures.ts'

const refusal = (status: number, type: string, reason: string): ScriptedAnswer => ({
  status,
  body: { error: { type, reason, root_cause: [{ type, reason }] }, status },
})

/** Something is in the index, and something else is published while `wrong` is; then it is put right. */
async function survives(
  of: Place,
  wrong: () => Promise<unknown> | undefined,
  sentence: RegExp,
  right: () => Promise<unknown> | undefined,
  meanwhile: (search: () => Promise<number[]>, first: readonly number[]) => Promise<unknown> = async () => {},
): Promise<void> {
  const { log, text } = lines()
  const index = of.start(log)
  const collection = await of.library.collection()
  const search = () => found(index, 'pear', collections(collection))
  const first = await of.library.publish(await of.library.document(collection), pears(2))
  await index.waitFor(first.position, PATIENCE_MS)
  await wrong()
  const second = await of.library.publish(await of.library.document(collection), pears(3))
  await expect.poll(text).toMatch(sentence)
  await meanwhile(search, first.passageIds)
  await right()
  await index.waitFor(second.position, PATIENCE_MS)
  expect((await search()).toSorted((a, b) => a - b)).toEqual([...first.passageIds, ...second.passageIds])
}

const unavailable = (reason: string) => ({ code: 'UNAVAILABLE', detail: { reason } })

test('a sign-in that is refused from the beginning is said to be, and nothing has to be started again', async () => {
  await using of = await place()
  of.node.script = () => ({ status: 401, body: 'Unauthorized' })
  const { log, text } = lines()
  const index = of.start(log)
  const collection = await of.library.collection()
  const { position, passageIds } = await of.library.publish(await of.library.document(collection), pears(2))
  await expect.poll(text).toMatch(/is not written: .*refuses the sign-in \(401\).* in OPENSEARCH_URL/)
  expect(index.status()).toMatchObject({ ready: false, position: null })
  await expect(found(index, 'pear', collections(collection))).rejects.toMatchObject(
    unavailable('the search engine can not be used; the log says why'),
  )
  of.node.script = () => undefined
  await index.waitFor(position, PATIENCE_MS)
  expect(await found(index, 'pear', collections(collection))).toEqual(passageIds)
  await expect.poll(() => index.status().ready).toBe(true)
})

test('a sign-in that is refused later', async () => {
  await using of = await place()
  await survives(
    of,
    () => {
      of.node.script = () =>
        refusal(403, 'security_exception', 'no permissions for [indices:data/write/bulk]')
      return undefined
    },
    /is not written: .*refuses the sign-in \(403\)/,
    () => {
      of.node.script = () => undefined
      return undefined
    },
    (search) =>
      expect(search()).rejects.toMatchObject(
        unavailable('the search engine refuses the sign-in; the log says why'),
      ),
  )
})

test('a cluster that is away when the server starts', async () => {
  await using of = await place()
  of.node.script = () => 'hang-up'
  const { log, text } = lines()
  const index = of.start(log)
  const collection = await of.library.collection()
  const { position, passageIds } = await of.library.publish(await of.library.document(collection), pears(2))
  await expect.poll(text).toMatch(/is not written: .*can not be reached/)
  expect(index.status()).toMatchObject({ ready: false, position: null })
  await expect(found(index, 'pear', collections(collection))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  of.node.script = () => undefined
  await index.waitFor(position, PATIENCE_MS)
  expect(await found(index, 'pear', collections(collection))).toEqual(passageIds)
  await expect.poll(() => index.status().ready).toBe(true)
  expect(text()).toMatch(/the search index is seen again/)
})

test('a cluster that goes away', async () => {
  await using of = await place()
  await survives(
    of,
    () => {
      of.node.script = () => 'hang-up'
      return undefined
    },
    /is not written: .*can not be reached/,
    () => {
      of.node.script = () => undefined
      return undefined
    },
    (search) => expect(search()).rejects.toMatchObject(unavailable('the search engine can not be reached')),
  )
})

test('a cluster that has too much to do for a while', async () => {
  await using of = await place()
  const index = of.start()
  const collection = await of.library.collection()
  const first = await of.library.publish(await of.library.document(collection), pears(2))
  await index.waitFor(first.position, PATIENCE_MS)
  let refused = 0
  const every = new Map<string, number>()
  // Each kind of request fails twice before it is taken.
  of.node.script = ({ method, path }) => {
    const kind = `${method} ${path.split('?')[0]?.split('/').at(-1)}`
    const before = every.get(kind) ?? 0
    every.set(kind, before + 1)
    if (before >= 2) return undefined
    refused++
    return refusal(429, 'rejected_execution_exception', 'queue capacity = 200')
  }
  const second = await of.library.publish(await of.library.document(collection), pears(3))
  await index.waitFor(second.position, PATIENCE_MS)
  expect(await found(index, 'pear', collections(collection))).toHaveLength(5)
  expect(refused).toBeGreaterThan(6)
})

test('shards that are lost: the index is red, and filled anew once somebody has deleted it', async () => {
  await using of = await place()
  const settings = async () =>
    Object.entries((await ask('GET', `/${of.alias}/_settings`)) as IndexSettings).map(([name, each]) => ({
      name,
      uuid: each.settings.index.uuid,
    }))
  async function lose(): Promise<void> {
    const { nodes } = (await ask('GET', '/_nodes/stats/fs')) as unknown as NodeDisks
    const [disk = ''] = Object.values(nodes).flatMap(({ fs }) => fs.data.map((each) => each.path))
    const [{ uuid } = { uuid: '' }] = await settings()
    await ask('POST', `/${of.alias}/_close`)
    const segments = globSync(path.join(disk, 'indices', uuid, '*/index/segments_*'))
    expect(segments).toHaveLength(2)
    for (const file of segments) rmSync(file)
    await ask('POST', `/${of.alias}/_open?wait_for_active_shards=0`)
  }
  await survives(
    of,
    lose,
    /shards may be missing \(red\)/,
    async () => {
      for (const { name } of await settings()) await ask('DELETE', `/${name}`)
    },
    (search) => expect(search()).rejects.toMatchObject(unavailable('a part of the search index is missing')),
  )
})

interface NodeDisks {
  readonly nodes: Readonly<Record<string, { fs: { data: { path: string }[] } }>>
}

type IndexSettings = Readonly<Record<string, { settings: { index: { uuid: string } } }>>

test('a disk beyond its watermark', async () => {
  await using of = await place()
  const disk = (free: string | null) =>
    ask('PUT', '/_cluster/settings', {
      transient: {
        'cluster.routing.allocation.disk.threshold_enabled': free === null ? null : true,
        'cluster.info.update.interval': '10s',
        'cluster.routing.allocation.disk.watermark.low': free,
        'cluster.routing.allocation.disk.watermark.high': free,
        'cluster.routing.allocation.disk.watermark.flood_stage': free,
      },
    })
  const blocked = async () =>
    JSON.stringify(await ask('GET', `/${of.alias}/_settings`)).includes('read_only_allow_delete":"true')
  try {
    await survives(
      of,
      async () => {
        expect(await disk('8000pb')).toMatchObject({ acknowledged: true })
        await expect.poll(blocked).toBe(true)
      },
      /is not written: .*takes no changes: .*make room/,
      // The node lifts its block by itself.
      async () => {
        expect(await disk('1b')).toMatchObject({ acknowledged: true })
        await expect.poll(blocked).toBe(false)
      },
      // Searches go on meanwhile.
      async (search, first) => expect(await search()).toEqual(first),
    )
  } finally {
    await disk(null)
    // With all its nodes beyond the watermark the cluster makes no index either, and who no longer looks at disks never allows it again.
    await ask('PUT', '/_cluster/settings', { persistent: { 'cluster.blocks.create_index': null } })
  }
})

test.each(['read_only_allow_delete', 'write'])('a block of %s that somebody set', async (name) => {
  await using of = await place()
  const block = (on: true | null) => ask('PUT', `/${of.alias}/_settings`, { [`index.blocks.${name}`]: on })
  await survives(
    of,
    () => block(true),
    /is not written: .*takes no changes: .*make room/,
    () => block(null),
    async (search, first) => expect(await search()).toEqual(first),
  )
})

test('a passage that is over the limit is named, and everything else is found', async () => {
  await using of = await place()
  const { log, text } = lines()
  const index = of.start(log)
  of.node.script = ({ path, body }) =>
    path.endsWith('/_bulk') && body.length > 50_000 ? { status: 413 } : undefined
  const collection = await of.library.collection()
  const passages = [{ text: 'pear one' }, { text: `pear ${'stone '.repeat(20_000)}` }, { text: 'pear three' }]
  const { position, passageIds } = await of.library.publish(await of.library.document(collection), passages)
  await index.waitFor(position, PATIENCE_MS)
  const [one, two, three] = passageIds
  expect(await found(index, 'pear', collections(collection))).toEqual([one, three])
  expect(text()).toMatch(
    new RegExp(`"passage":${two},.*can not be found by searches: .*takes no request of this size`),
  )
})

test('an index of another format is made anew', async () => {
  await using of = await place()
  const _meta = { product: 'terrace', format: 0, generation: null }
  await ask('PUT', `/${of.alias}-g0-0a0a0a0a`, { mappings: { _meta }, aliases: { [of.alias]: {} } })
  const index = of.start()
  const collection = await of.library.collection()
  const { position, passageIds } = await of.library.publish(await of.library.document(collection), pears(2))
  await index.waitFor(position, PATIENCE_MS)
  expect(await found(index, 'pear', collections(collection))).toEqual(passageIds)
  // The old one is removed a moment after it was exchanged.
  await expect
    .poll(async () => Object.keys(await ask('GET', `/${of.alias}*/_alias`)))
    .toEqual([expect.not.stringContaining('-g0-0a0a0a0a')])
})

test('a foreign index under the name is not touched, and searches say that there is none', async () => {
  await using of = await place()
  await ask('PUT', `/${of.alias}/_doc/1?refresh=true`, { theirs: true })
  const { log, text } = lines()
  const index = of.start(log)
  await expect.poll(text).toMatch(/belongs to .*, which Terrace has not made\. Nothing of it was changed/)
  await expect(found(index, 'pear', collections({ key: 1 }))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await ask('GET', `/${of.alias}/_doc/1`)).toMatchObject({ found: true })
  await ask('DELETE', `/${of.alias}`)
})
