import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { applyEntry } from '../apply.ts'
import { MemorySource } from '../oracle.ts'
import { IndexState } from '../state.ts'
import { exactEngine } from '../vectors/exact.ts'
import { randomUnits } from '../vectors/port.cases.ts'
import { clean, type ManifestFile } from './checkpoint.ts'
import { type LoadedCheckpoint, readCheckpoints } from './read.ts'
import { writeCheckpoint } from './write.ts'

const DIMENSIONS = 4
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-checkpoint-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const emptyFolder = () => mkdtempSync(path.join(folder, 'dir-'))
const nothingKnown = new Map<string, ManifestFile>()

class Fixture {
  readonly source = new MemorySource({ id: 1, dimensions: DIMENSIONS })
  readonly state = IndexState.empty(exactEngine(), { epoch: 'e', seq: 0, entryId: null }, null)
  #id = 0

  async publish(documentKey: number, passages = 3): Promise<void> {
    const seq = this.state.position.seq + 1
    const versionId = `version-${seq}`
    const vectors = randomUnits(passages, DIMENSIONS, seq)
    const rows = Array.from({ length: passages }, (_, i) => ({
      id: ++this.#id,
      text: `apricot number${i} banjo${seq}`,
      vector: vectors.slice(i * DIMENSIONS, (i + 1) * DIMENSIONS),
    }))
    this.source.keep(versionId, rows)
    for (const [i, op] of ['publish-words', 'publish-vectors'].entries()) {
      const place = {
        collectionKey: 1,
        documentKey,
        versionId,
        generationId: 1,
        readingId: null,
        userId: null,
      }
      await applyEntry(this.state, this.source, { seq: seq + i, id: `e${seq + i}`, epoch: 'e', op, ...place })
    }
  }
}

/** In folders too, which are not told of. */
function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)))
    .sort()
}

/** What would be loaded, and how many newer ones were refused. */
async function load(dir: string): Promise<{ loaded: LoadedCheckpoint | null; refused: number }> {
  let refused = 0
  for await (const loaded of readCheckpoints(dir, () => refused++)) {
    // As the process does: only when the state can be made of it does it count.
    ;(await IndexState.restore(exactEngine(), loaded.saved)).close()
    return { loaded, refused }
  }
  return { loaded: null, refused }
}

test('any byte changed in any file of a checkpoint is noticed, and the one before it is taken', async () => {
  const dir = emptyFolder()
  const fixture = new Fixture()
  await fixture.publish(1)
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  const old = fixture.state.position.seq
  const before = new Set(readdirSync(dir))
  await fixture.publish(2)
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  expect((await load(dir)).loaded?.saved.position.seq).toBe(fixture.state.position.seq)
  for (const name of readdirSync(dir).filter((file) => !before.has(file))) {
    const file = path.join(dir, name)
    const bytes = readFileSync(file)
    for (let at = 0; at < bytes.length; at += 1 + Math.floor(bytes.length / 150)) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at)
      writeFileSync(file, changed)
      const { loaded, refused } = await load(dir)
      expect([loaded?.saved.position.seq, refused], `byte ${at} of ${name}`).toEqual([old, 1])
    }
    for (const length of [0, 1, bytes.length - 1]) {
      writeFileSync(file, bytes.subarray(0, length))
      expect((await load(dir)).refused).toBe(1)
    }
    writeFileSync(file, Buffer.concat([bytes, Buffer.from([0])]))
    expect((await load(dir)).refused).toBe(1)
    writeFileSync(file, bytes)
  }
  expect((await load(dir)).refused).toBe(0)
})

test('a checkpoint that is given up leaves no file and does not harm the one before it', async () => {
  const dir = emptyFolder()
  const fixture = new Fixture()
  await fixture.publish(1)
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  const files = readdirSync(dir).sort()
  for (let i = 2; i < 40; i++) await fixture.publish(i, 100)
  const stop = new AbortController()
  const writing = writeCheckpoint(fixture.state, dir, nothingKnown, stop.signal)
  stop.abort(new Error('stopped'))
  // Short work may be over before it looks at the signal.
  await writing.then(
    () => expect(readdirSync(dir).length).toBeGreaterThan(files.length),
    () => expect(readdirSync(dir).sort()).toEqual(files),
  )
})

test('one that fails when half of it is written leaves no file, however often it is tried', async () => {
  const dir = emptyFolder()
  const fixture = new Fixture()
  await fixture.publish(1)
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  const before = filesIn(dir)
  await fixture.publish(2, 1_500)
  // By then its segment is whole.
  const runs = vi.spyOn(fixture.state.lexical.postings, 'runs').mockImplementation(() => {
    expect(filesIn(dir).length).toBeGreaterThan(before.length)
    throw new Error('no space left')
  })
  for (let tries = 0; tries < 2; tries++)
    await expect(writeCheckpoint(fixture.state, dir, nothingKnown)).rejects.toThrow('no space left')
  expect(filesIn(dir)).toEqual(before)
  runs.mockRestore()
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  expect((await load(dir)).loaded?.saved.position.seq).toBe(fixture.state.position.seq)
})

test('sealed vectors that no checkpoint has yet survive another process that clears up, and go with their own', async () => {
  const dir = emptyFolder()
  const fixture = new Fixture()
  await fixture.publish(1, 3_000)
  const { vectors } = fixture.state
  await vectors?.seal(dir)
  const [sealed = ''] = filesIn(dir)
  const longAgo = Date.now() / 1000 - 86_400
  utimesSync(path.join(dir, sealed), longAgo, longAgo)
  // What an ended process was making, and what a living one is: this one's parent.
  const dead = path.join('making', `${spawnSync('true').pid}.other.file`)
  const living = path.join('making', `${process.ppid}.other.file`)
  for (const name of [dead, living]) writeFileSync(path.join(dir, name), 'half')
  await clean(dir, new Set())
  expect(filesIn(dir)).toEqual([living, sealed].sort())
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  const kept = filesIn(dir)
  expect(kept).not.toContain(sealed)
  expect(kept.filter((name) => name.startsWith('vectors-'))).toHaveLength(2)
  await fixture.publish(2, 3_000)
  await vectors?.seal(dir)
  expect(filesIn(dir)).toHaveLength(kept.length + 1)
  fixture.state.close()
  expect(filesIn(dir)).toEqual(kept)
  const { loaded } = await load(dir)
  expect(loaded?.saved.passages.ids).toHaveLength(3_000)
})

test('what a killed process left half-written is not read, and cleared away in time', async () => {
  const dir = emptyFolder()
  const fixture = new Fixture()
  await fixture.publish(1)
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  const left = ['state-00.bin', 'vectors-00.faiss', 'checkpoint-0000000009.json.tmp']
  for (const name of left) writeFileSync(path.join(dir, name), 'half')
  expect((await load(dir)).refused).toBe(0)
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  // Another process may be at work on them.
  expect(readdirSync(dir)).toEqual(expect.arrayContaining(left))
  const longAgo = Date.now() / 1000 - 3_600
  for (const name of left) utimesSync(path.join(dir, name), longAgo, longAgo)
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  expect(readdirSync(dir).filter((name) => left.includes(name))).toEqual([])
})

test('a large segment is kept as it is, small ones are merged, and only what two checkpoints name stays', async () => {
  const dir = emptyFolder()
  const fixture = new Fixture()
  await fixture.publish(1, 1_500)
  const segments = async () => (await load(dir)).loaded?.saved.vectors.files ?? []
  await writeCheckpoint(fixture.state, dir, nothingKnown)
  const { loaded } = await load(dir)
  if (loaded === null) throw new Error('not loaded')
  const state = await IndexState.restore(exactEngine(), loaded.saved)
  const continued = Object.assign(new Fixture(), { state })
  const [large] = await segments()
  for (let i = 2; i < 6; i++) {
    await continued.publish(100 + i, 10)
    await writeCheckpoint(state, dir, loaded.files)
    const now = await segments()
    expect(now[0]).toBe(large)
    expect(now).toHaveLength(2)
  }
  expect(readdirSync(dir).filter((name) => name.startsWith('checkpoint-'))).toHaveLength(2)
  expect(readdirSync(dir).filter((name) => name.startsWith('state-'))).toHaveLength(2)
  expect(readdirSync(dir).filter((name) => name.startsWith('vectors-'))).toHaveLength(3)
  // Most of the large one's vectors die: it is written anew.
  await continued.publish(1, 2)
  await writeCheckpoint(state, dir, loaded.files)
  expect(await segments()).not.toContain(large)
  const again = await load(dir)
  expect(again.loaded?.saved.passages.ids).toHaveLength(42)
  state.close()
})

test('nothing is loaded from an empty folder, and an empty state can be saved', async () => {
  const dir = emptyFolder()
  expect(await load(dir)).toEqual({ loaded: null, refused: 0 })
  await writeCheckpoint(new Fixture().state, dir, nothingKnown)
  const { loaded } = await load(dir)
  expect(loaded?.saved.passages.ids).toHaveLength(0)
  expect(loaded?.saved.position).toEqual({ epoch: 'e', seq: 0, entryId: null })
})
