import { expect, test } from 'vitest'
import {
  type ScriptedAnswer,
  type ScriptedCluster,
  scriptedCluster,
} from '../../../../test/scripted-cluster.ts'
import { Bulk } from './bulk.ts'
import { Cluster, type Trouble } from './cluster.ts'
import { searchedIndex } from './mapping.ts'

const failed = (status: number, type: string, reason: string): ScriptedAnswer => ({
  status,
  body: { error: { type: 'outer', reason: 'all shards failed', root_cause: [{ type, reason }] }, status },
})

async function asking(answer: ScriptedAnswer | 'silence', timeoutMs?: number): Promise<Trouble> {
  await using scripted = await scriptedCluster(() => answer)
  const url = new URL(scripted.url)
  url.username = 'terrace'
  url.password = 'a-secret'
  const cluster = new Cluster(url.href)
  const request = { method: 'GET', path: '/x', ...(timeoutMs === undefined ? {} : { timeoutMs }) } as const
  const error: Trouble = await cluster.send(request).then(
    () => expect.unreachable('an error was expected'),
    (thrown) => thrown,
  )
  await cluster.close()
  expect(error.message).not.toContain('a-secret')
  return error
}

const blocked =
  'index [terrace] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block]'

test.each<[string, ScriptedAnswer, string, RegExp, boolean]>([
  [
    'wrong credentials',
    { status: 401, body: 'Unauthorized' },
    'sign-in',
    /refuses the sign-in \(401\)\. See the user and password in OPENSEARCH_URL/,
    true,
  ],
  [
    'a role without rights',
    failed(403, 'security_exception', 'no permissions'),
    'sign-in',
    /refuses the sign-in \(403\)/,
    true,
  ],
  [
    'a full disk',
    failed(429, 'cluster_block_exception', blocked),
    'blocked',
    /takes no changes.*make room/,
    true,
  ],
  [
    'a block that somebody set',
    failed(403, 'cluster_block_exception', 'index read-only (api)'),
    'blocked',
    /somebody has blocked the index/,
    true,
  ],
  [
    'too many requests',
    failed(429, 'rejected_execution_exception', 'queue is full'),
    'busy',
    /has too much to do/,
    true,
  ],
  [
    'no memory for it',
    failed(503, 'circuit_breaking_exception', 'Data too large'),
    'busy',
    /has too much to do \(circuit_breaking_exception\)/,
    true,
  ],
  [
    'missing shards',
    failed(503, 'no_shard_available_action_exception', 'no shard copy'),
    'red',
    /no shard copy.*shards may be missing \(red\)/,
    true,
  ],
  [
    'a gateway with nobody behind it',
    { status: 504, body: { message: null } },
    'away',
    /does not answer \(504\)/,
    true,
  ],
  ['a request that is too large', { status: 413 }, 'too-large', /no request of this size/, false],
  [
    'what it can make nothing of',
    failed(400, 'mapper_parsing_exception', 'no such field'),
    'refused',
    /refuses the request: no such field/,
    false,
  ],
])('%s is said in a sentence', async (_, answer, kind, sentence, passes) => {
  const error = await asking(answer)
  expect(error).toMatchObject({ kind, passes })
  expect(error.message).toMatch(sentence)
})

test('a cluster that is away, or says nothing, is said to be', async () => {
  expect(await asking('silence', 50)).toMatchObject({ kind: 'away', passes: true })
  const gone = await scriptedCluster(() => undefined)
  await gone[Symbol.asyncDispose]()
  const cluster = new Cluster(gone.url)
  await expect(cluster.send({ method: 'GET', path: '/' })).rejects.toThrow(
    /can not be reached \(.*ECONNREFUSED.*See whether it runs/,
  )
  await cluster.close()
})

test('a foreign index under the name is left alone, and named', async () => {
  await using scripted = await scriptedCluster(() => ({
    status: 200,
    body: { logs: { mappings: { properties: {} } } },
  }))
  const cluster = new Cluster(scripted.url)
  await expect(searchedIndex(cluster, { alias: 'logs', shards: 1 })).rejects.toThrow(
    /The name logs in OpenSearch belongs to logs, which Terrace has not made\. Nothing of it was changed/,
  )
  expect(scripted.requests.map(({ method }) => method)).toEqual(['GET'])
  await cluster.close()
})

/** Answers `_bulk` with these statuses, one request after the other: by item, or for all of it. */
function bulkAnswers(rounds: (number[] | ScriptedAnswer)[]): ScriptedCluster['script'] {
  return () => {
    const round = rounds.shift() ?? []
    if (!Array.isArray(round)) return round
    const error = { type: 'some_exception', reason: 'of the test' }
    const item = (status: number) => ({ index: { status, ...(status >= 300 ? { error } : {}) } })
    return { status: 200, body: { errors: true, items: round.map(item) } }
  }
}

/** Ids of the changes in each request. */
function sent({ requests }: ScriptedCluster): string[][] {
  return requests.map(({ body }) => [...body.matchAll(/"_id":"(\d+)"/g)].map(([, id]) => id ?? ''))
}

async function write(
  scripted: ScriptedCluster,
  ids: readonly number[],
  { signal = new AbortController().signal, remove = false }: { signal?: AbortSignal; remove?: boolean } = {},
): Promise<number[]> {
  const rejected: number[] = []
  const cluster = new Cluster(scripted.url)
  const bulk = new Bulk(cluster, 'terrace-g1', signal, ({ id }) => rejected.push(id))
  try {
    for (const id of ids) await bulk.add({ id, routing: 30, document: remove ? null : { id } }, 7)
    await bulk.flush()
    return rejected
  } finally {
    await cluster.close()
  }
}

test('what the cluster has no room for is sent again, alone; what it has, or something newer of, is not', async () => {
  await using scripted = await scriptedCluster(bulkAnswers([[201, 429, 409, 200], { status: 429 }, [201]]))
  expect(await write(scripted, [1, 2, 3, 4])).toEqual([])
  expect(sent(scripted)).toEqual([['1', '2', '3', '4'], ['2'], ['2']])
  expect(scripted.requests[0]?.body).toContain('"routing":"30","version":7,"version_type":"external_gte"')
})

test('what is to be removed and is not there is done; an index that is not there is no reason to leave a passage out', async () => {
  await using scripted = await scriptedCluster(bulkAnswers([[404, 200], [404]]))
  expect(await write(scripted, [1, 2], { remove: true })).toEqual([])
  expect(sent(scripted)).toEqual([['1', '2']])
  await expect(write(scripted, [3])).rejects.toMatchObject({ kind: 'missing' })
})

test('a cluster that wants to be left alone for a while is', async () => {
  await using scripted = await scriptedCluster(() => ({ status: 429, headers: { 'retry-after': '60' } }))
  const given = AbortSignal.timeout(1_500)
  await expect(write(scripted, [1], { signal: given })).rejects.toThrow()
  expect(given.aborted).toBe(true)
  expect(sent(scripted)).toEqual([['1']])
})

test('a request that is too large goes in two, and a passage that is too large by itself is told of', async () => {
  const large = { status: 413 }
  await using scripted = await scriptedCluster(bulkAnswers([large, [201, 201], large, large, [201]]))
  expect(await write(scripted, [1, 2, 3, 4])).toEqual([3])
  expect(sent(scripted)).toEqual([['1', '2', '3', '4'], ['1', '2'], ['3', '4'], ['3'], ['4']])
})

test('a passage that the cluster will never take is told of, and the others are there', async () => {
  await using scripted = await scriptedCluster(bulkAnswers([[201, 400, 201]]))
  expect(await write(scripted, [1, 2, 3])).toEqual([2])
})

test('a full disk ends it, so that the entry is written again as a whole', async () => {
  await using scripted = await scriptedCluster(() => failed(429, 'cluster_block_exception', blocked))
  await expect(write(scripted, [1])).rejects.toMatchObject({ kind: 'blocked' })
  expect(scripted.requests).toHaveLength(1)
})

test('so does a passage that may not be written: what was there already is written again with it', async () => {
  await using scripted = await scriptedCluster(bulkAnswers([[201, 403], [201]]))
  await expect(write(scripted, [1, 2])).rejects.toMatchObject({ kind: 'sign-in' })
  expect(scripted.requests).toHaveLength(1)
})
