import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cancelVersion } from '../ingest/publish.ts'
import { startJobs } from '../jobs/jobs.ts'
import { buildGeneration, removeGeneration, switchGeneration } from './change.ts'
import { type GenerationsFixture, generationsFixture, texts } from './fixtures.ts'

let of: GenerationsFixture
beforeEach(async () => {
  of = await generationsFixture()
})
afterEach(() => of[Symbol.asyncDispose]())

const ready = (id: number) =>
  expect.poll(async () => (await of.generation(id))?.ready, { interval: 50 }).toBe(true)
/** How many passages the endpoint of `new` was asked for. */
const asked = () => of.ends.new.requests.reduce((sum, { input }) => sum + input.length, 0)
const switches = async () =>
  (
    await of.db.pool.query("SELECT generation_id FROM index_log WHERE op = 'switch-generation' ORDER BY seq")
  ).rows.map((row) => row.generation_id)

describe('building', () => {
  test('gives every passage a vector beside the old one, and says how far it is', async () => {
    await of.add(texts(200, 'first'))
    await of.add(texts(1_100, 'second'))
    of.ends.new.script({ delay: 30 })
    const id = await buildGeneration(of.deps, 'new')
    expect(await of.generation(id)).toMatchObject({
      state: 'building',
      embedded: 0,
      passages: 1_300,
      ready: false,
    })
    of.startFill()
    await expect.poll(async () => (await of.generation(id))?.embedded, { interval: 20 }).toBeGreaterThan(100)
    const half = await of.generation(id)
    expect(half).toMatchObject({ name: 'New', embedderId: 'new', problem: null, ready: false })
    expect(half?.secondsLeft).toBeGreaterThan(0)
    expect(half?.passagesPerMinute).toBeGreaterThan(0)
    of.ends.new.script({})
    await ready(id)
    expect(await of.generation(id)).toMatchObject({ embedded: 1_300, passages: 1_300, secondsLeft: null })
    expect([await of.missing(id), await of.vectors(id), await of.vectors(of.oldId)]).toEqual([
      0, 1_300, 1_300,
    ])
    // Background work, all of it, and each passage once.
    expect(asked()).toBe(1_300)
  })

  test('documents that come, are replaced and go meanwhile are right in the end', async () => {
    const goes = await of.add(texts(300, 'goes'))
    const replaced = await of.add(texts(300, 'replaced'))
    await of.add(texts(300, 'stays'))
    of.ends.new.script({ delay: 40 })
    const id = await buildGeneration(of.deps, 'new')
    of.startFill()
    await expect.poll(() => of.vectors(id), { interval: 20 }).toBeGreaterThan(50)
    const comes = await of.add(texts(40, 'comes'))
    await of.delete(goes.documentId)
    const next = await of.words(texts(20, 'next edition'), replaced.documentId)
    await of.embed(next.versionId)
    of.ends.new.script({})
    await ready(id)
    // And one when everything was complete already, whose words are there before its vectors.
    const late = await of.words(texts(30, 'late'))
    await sleep(1_500)
    await of.embed(late.versionId)
    await expect.poll(() => of.missing(id)).toBe(0)
    await ready(id)
    expect(await of.vectors(id)).toBe(await of.vectors(of.oldId))
    for (const { passageIds } of [comes, next, late]) {
      const { rows } = await of.db.pool.query(
        'SELECT count(*)::int AS n FROM passage_vectors WHERE generation_id = $1 AND passage_id = ANY($2)',
        [id, passageIds],
      )
      expect(rows[0]?.n).toBe(passageIds.length)
    }
  })

  test('several processes share the work, and none does what another has done', async () => {
    await of.add(texts(1_500, 'long'))
    of.ends.new.script({ delay: 20 })
    const id = await buildGeneration(of.deps, 'new')
    of.startFill()
    of.startFill()
    await ready(id)
    expect(await of.vectors(id)).toBe(1_500)
    expect(asked()).toBe(1_500)
  })

  test('stopped and begun again, it goes on where it was', async () => {
    await of.add(texts(1_000, 'long'))
    of.ends.new.script({ delay: 30 })
    const id = await buildGeneration(of.deps, 'new')
    const first = of.startFill()
    await expect.poll(() => of.vectors(id), { interval: 20 }).toBeGreaterThan(200)
    await first.stop()
    const kept = await of.vectors(id)
    await sleep(200)
    expect(await of.vectors(id)).toBe(kept)
    const before = asked()
    of.ends.new.script({})
    of.startFill()
    await ready(id)
    expect(asked() - before).toBe(1_000 - kept)
  })

  test('an endpoint that is away pauses it, with the reason, and it goes on by itself', async () => {
    await of.add(texts(300, 'long'))
    of.ends.new.script({ error: 500 })
    const id = await buildGeneration(of.deps, 'new')
    of.startFill()
    const problem = async () => (await of.generation(id))?.problem?.code
    await expect.poll(problem).toBe('EMBEDDER_UNAVAILABLE')
    of.ends.new.script({ error: 429, retryAfter: '1' })
    await expect.poll(problem).toBe('EMBEDDER_BUSY')
    of.ends.new.script({ error: 401 })
    await expect.poll(problem).toBe('EMBEDDER_REFUSED_KEY')
    of.ends.new.script({})
    await ready(id)
    expect(await problem()).toBeUndefined()
    expect(await of.missing(id)).toBe(0)
  })

  test.each([
    ['is refused', { refuse: 'unwelcome' }],
    ['ends in an error', { refuse: 'unwelcome', refuseStatus: 500 }],
    ['gets no numbers', { spoil: 'unwelcome' }],
  ])('a passage that %s is said, and does not keep the others', async (_, knobs) => {
    await of.add([...texts(100, 'fine'), 'unwelcome words', ...texts(100, 'also fine')])
    of.ends.new.script(knobs)
    const id = await buildGeneration(of.deps, 'new')
    of.startFill()
    await expect.poll(async () => (await of.generation(id))?.problem?.code).toBe('EMBEDDER_REFUSED_TEXT')
    expect(await of.missing(id)).toBe(1)
    expect(await of.generation(id)).toMatchObject({ ready: false, embedded: 200, passages: 201 })
    await expect(switchGeneration(of.deps, id)).rejects.toMatchObject({
      code: 'GENERATION_INCOMPLETE',
      detail: { passages: 1 },
    })
  })

  test('one that comes later and is refused is said, too', async () => {
    await of.add(texts(10, 'fine'))
    const id = await buildGeneration(of.deps, 'new')
    of.startFill()
    await ready(id)
    of.ends.new.script({ refuse: 'unwelcome' })
    await of.add(['unwelcome words', ...texts(10, 'late')])
    await expect.poll(async () => (await of.generation(id))?.problem?.code).toBe('EMBEDDER_REFUSED_TEXT')
    expect(await of.missing(id)).toBe(1)
  })

  test('nor does one that takes too long', async () => {
    await using slow = await generationsFixture(undefined, { timeoutSeconds: 1 })
    await slow.add([
      ...texts(100, 'fine'),
      'unwelcome words',
      ...texts(100, 'also fine'),
      ...texts(600, 'more'),
    ])
    slow.ends.new.script({ stall: 'unwelcome' })
    const id = await buildGeneration(slow.deps, 'new')
    slow.startFill()
    await expect.poll(() => slow.missing(id)).toBe(1)
    await expect.poll(async () => (await slow.generation(id))?.problem?.code).toBe('EMBEDDER_STALLED')
    slow.ends.new.script({})
    // Of a fill that did not have to pass over it.
    slow.startFill()
    await expect.poll(() => slow.missing(id)).toBe(0)
  })

  test('one at a time, and only what can be used here', async () => {
    const id = await buildGeneration(of.deps, 'new')
    await expect(buildGeneration(of.deps, 'new')).rejects.toMatchObject({ code: 'GENERATION_EXISTS' })
    await expect(buildGeneration(of.deps, 'third')).rejects.toMatchObject({ code: 'GENERATION_BUSY' })
    await expect(buildGeneration(of.deps, 'old')).rejects.toMatchObject({ code: 'GENERATION_EXISTS' })
    await expect(buildGeneration(of.deps, 'nothing')).rejects.toMatchObject({ code: 'EMBEDDER_MISSING' })
    await removeGeneration(of.deps, id)
    await expect(buildGeneration(of.deps, 'new')).rejects.toMatchObject({ code: 'GENERATION_BUSY' })
    const [a, b] = await Promise.allSettled([
      buildGeneration(of.deps, 'third'),
      buildGeneration(of.deps, 'third'),
    ])
    expect([a.status, b.status].sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('cancelled, its vectors go, nothing comes after, and it can be begun again', async () => {
    await of.add(texts(2_500, 'long'))
    const id = await buildGeneration(of.deps, 'new')
    of.ends.new.script({ delay: 50 })
    of.startFill()
    // Whichever of them removes, the other is still about to add.
    of.startFill()
    await expect.poll(() => of.vectors(id), { interval: 20 }).toBeGreaterThan(200)
    await removeGeneration(of.deps, id)
    await expect.poll(() => of.state(id)).toBe('removed')
    await sleep(500)
    expect(await of.vectors(id)).toBe(0)
    expect(await of.vectors(of.oldId)).toBe(2_500)
    expect(await of.generation(id)).toBeUndefined()
    of.ends.new.script({})
    expect(await buildGeneration(of.deps, 'new')).toBe(id)
    await ready(id)
    expect(await of.vectors(id)).toBe(2_500)
  })
})

describe('switching', () => {
  /** With everything built. */
  async function built(): Promise<number> {
    const id = await buildGeneration(of.deps, 'new')
    of.startFill()
    await ready(id)
    return id
  }

  test('is refused while something is missing, and then nothing has changed', async () => {
    await of.add(texts(50, 'first'))
    const id = await buildGeneration(of.deps, 'new')
    await expect(switchGeneration(of.deps, id)).rejects.toMatchObject({
      code: 'GENERATION_INCOMPLETE',
      detail: { passages: 50 },
    })
    expect([await of.state(id), await of.state(of.oldId), await switches()]).toEqual([
      'building',
      'active',
      [],
    ])
    const fill = of.startFill()
    await ready(id)
    await fill.stop()
    await of.add(texts(1, 'one more'))
    await expect(switchGeneration(of.deps, id)).rejects.toMatchObject({ detail: { passages: 1 } })
    of.startFill()
    await expect.poll(() => of.missing(id)).toBe(0)
    await switchGeneration(of.deps, id)
    expect([await of.state(id), await of.state(of.oldId), await switches()]).toEqual([
      'active',
      'retired',
      [id],
    ])
  })

  test('and back is one click at any time: documents that came since are in both', async () => {
    await of.add(texts(50, 'first'))
    const id = await built()
    await switchGeneration(of.deps, id)
    const since = await of.add(texts(20, 'since'))
    const { rows } = await of.db.pool.query(
      "SELECT generation_id FROM index_log WHERE op = 'publish-vectors' AND version_id = $1",
      [since.versionId],
    )
    expect(rows).toEqual([{ generation_id: id }])
    await expect.poll(() => of.missing(of.oldId)).toBe(0)
    await switchGeneration(of.deps, of.oldId)
    expect([await of.state(id), await of.state(of.oldId)]).toEqual(['retired', 'active'])
    expect(await switches()).toEqual([id, of.oldId])
    await expect(switchGeneration(of.deps, of.oldId)).rejects.toMatchObject({ code: 'GENERATION_IN_USE' })
    await expect(removeGeneration(of.deps, of.oldId)).rejects.toMatchObject({ code: 'GENERATION_IN_USE' })
    await removeGeneration(of.deps, id)
    await expect.poll(() => of.state(id)).toBe('removed')
    await expect(switchGeneration(of.deps, id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await of.vectors(id)).toBe(0)
  })

  test('to a third one removes the first', async () => {
    await of.add(texts(50, 'first'))
    const id = await built()
    await switchGeneration(of.deps, id)
    const third = await buildGeneration(of.deps, 'third')
    await ready(third)
    expect(await of.state(of.oldId)).toBe('retired')
    await switchGeneration(of.deps, third)
    await expect.poll(() => of.state(of.oldId)).toBe('removed')
    expect([await of.state(id), await of.state(third)]).toEqual(['retired', 'active'])
  })

  test('documents that were being embedded for the old one are published with the vectors of the new one', async () => {
    await of.add(texts(20, 'first'))
    const id = await built()
    of.ends.old.script({ delay: 150 })
    const waiting = await of.words(texts(300, 'under way'))
    const embedding = of.embed(waiting.versionId)
    await expect.poll(() => of.vectors(of.oldId), { interval: 10 }).toBeGreaterThan(20)
    await switchGeneration(of.deps, id)
    await embedding
    const { rows } = await of.db.pool.query(
      "SELECT generation_id FROM index_log WHERE op = 'publish-vectors' AND version_id = $1",
      [waiting.versionId],
    )
    expect(rows).toEqual([{ generation_id: id }])
    expect(await of.missing(id)).toBe(0)
  })

  test('in the moment of a publication, one waits for the other: never is a document without its vectors', async () => {
    await of.add(texts(5, 'first'))
    const id = await built()
    const versions = await Promise.all(
      Array.from({ length: 12 }, (_, i) => of.words(texts(3, `document ${i}`))),
    )
    const switching = (async () => {
      for (const to of [id, of.oldId, id])
        for (let done = false; !done; await sleep(10))
          done = await switchGeneration(of.deps, to).then(
            () => true,
            () => false,
          )
    })()
    for (const { versionId } of versions) {
      await of.embed(versionId)
      await sleep(150)
    }
    await switching
    const { rows } = await of.db.pool.query<{ op: string; generation_id: number; version_id: string }>(
      "SELECT op, generation_id, version_id FROM index_log WHERE op IN ('switch-generation', 'publish-vectors') ORDER BY seq",
    )
    let active = of.oldId
    for (const row of rows)
      if (row.op === 'switch-generation') active = row.generation_id
      else expect(row.generation_id).toBe(active)
    expect(await of.missing(id)).toBe(0)
  })

  test('a version that comes back by a cancellation, from before the switch, gets its vectors', async () => {
    const before = await of.add(texts(5, 'edition one'))
    const id = await built()
    // The next edition is the current one; the first has vectors of the old generation only from here on.
    const next = await of.words(texts(5, 'edition two'), before.documentId)
    await of.db.pool.query('DELETE FROM passage_vectors WHERE generation_id = $1 AND passage_id = ANY($2)', [
      id,
      before.passageIds,
    ])
    await switchGeneration(of.deps, id)
    await of.db.pool.query('UPDATE document_versions SET cancel_requested_at = now() WHERE id = $1', [
      next.versionId,
    ])
    const jobs = await startJobs(of.db.config('/tmp/terrace-unused'), of.db.pool, of.deps.log, {
      supervise: false,
    })
    await cancelVersion({ pool: of.db.pool, jobs }, next.versionId)
    const { rows } = await of.db.pool.query(
      "SELECT data->>'versionId' AS id FROM pgboss.job WHERE name = 'embed'",
    )
    expect(rows).toEqual([{ id: before.versionId }])
    await of.embed(before.versionId)
    expect(await of.missing(id)).toBe(0)
    await jobs.stop({ graceful: false })
  })
})
