// Servers under which the database loses its last transactions: a replica that lacked them is promoted, or an older copy
// is restored. Each server has its own index process and folder; both share checkpoints.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { type ReplicatedPostgres, replicatedPostgres } from '../../../test/replica.ts'
import type { Config } from '../../config.ts'
import { openBlobStore } from '../../storage/open.ts'
import { FixtureLibrary } from '../fixtures.ts'
import type { IndexQuery, Position } from '../port.ts'
import { createCourier } from '../shared/courier.ts'
import { listManifests } from '../shared/shared.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from './embedded.ts'

interface Server {
  readonly index: EmbeddedIndex
  readonly said: string[]
}

class Place implements AsyncDisposable {
  readonly postgres: ReplicatedPostgres
  readonly library: FixtureLibrary
  readonly #home = mkdtempSync(path.join(tmpdir(), 'terrace-history-'))
  readonly #closing: (() => Promise<void>)[] = []
  #collection: { id: string; key: number } | undefined

  private constructor(postgres: ReplicatedPostgres) {
    this.postgres = postgres
    this.library = new FixtureLibrary(postgres.db.pool)
  }

  static async open(): Promise<Place> {
    return new Place(await replicatedPostgres())
  }

  /** In the folder of its name, which a later start finds again. */
  async start(name: string): Promise<Server> {
    const config: Config = {
      ...this.postgres.db.config(this.#home, { INDEX_CHECKPOINTS: 'shared' }),
      // Of rebuilding from a replica: rebuild-from.test.ts.
      ...{ indexDir: path.join(this.#home, name), databaseReplicaUrl: undefined },
    }
    const said: string[] = []
    const log = pino({ level: 'info' }, { write: (line) => void said.push(line) })
    const courier = createCourier(config, this.postgres.db.pool, log)
    const index = await startEmbeddedIndex(config, log, { courier })
    this.#closing.push(async () => {
      await index.close()
      await courier.close()
    })
    return { index, said }
  }

  /** Documents of one passage each, which all contain `word`; enough of them make a checkpoint due. */
  async publish(word: string, documents: number, passages = 1): Promise<Position> {
    this.#collection ??= await this.library.collection()
    let position: Position = { epoch: '', seq: 0 }
    for (let n = 0; n < documents; n++) {
      const texts = Array.from({ length: passages }, (_, i) => ({
        text: `${word} quince ${n} in row ${i}`,
        vector: [1, n, i],
      }))
      position = (await this.library.publish(await this.library.document(this.#collection), texts)).position
    }
    return position
  }

  /** Of the words, those that a search finds. */
  async found({ index }: Server, words: readonly string[]): Promise<string[]> {
    const found: string[] = []
    for (const text of words) {
      const query: IndexQuery = {
        ...{ text, vector: null, limit: 5 },
        filter: { kind: 'collections', keys: [this.#collection?.key ?? 0] },
      }
      if ((await index.search(query)).candidates.length > 0) found.push(text)
    }
    return found
  }

  async manifests(): Promise<number[]> {
    const store = await openBlobStore(this.postgres.db.config(this.#home))
    return (await listManifests(store)).map(({ seq }) => seq)
  }

  async epoch(): Promise<string> {
    const { rows } = await this.postgres.db.pool.query<{ epoch: string }>('SELECT epoch FROM index_head')
    return rows[0]?.epoch ?? ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#closing.map((close) => close()))
    await this.postgres[Symbol.asyncDispose]()
    rmSync(this.#home, { recursive: true, force: true })
  }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 50) {
    if (waited > 60_000) throw new Error(`waited in vain: ${what}`)
    await sleep(50)
  }
}

/** Positions of a and b, and a shared checkpoint, all of a history that is about to be lost. */
async function ahead(place: Place, servers: readonly Server[], common: Position): Promise<Position> {
  // More than a checkpoint's worth, so that one is written of it.
  const lost = await place.publish('lost', 4, 400)
  for (const { index } of servers) await index.waitFor(lost, 30_000)
  await until(async () => ((await place.manifests())[0] ?? 0) > common.seq, 'a checkpoint of what gets lost')
  for (const server of servers)
    expect(await place.found(server, ['common', 'lost'])).toEqual(['common', 'lost'])
  return lost
}

/** What every server says once the database has only `common`, and another future. */
async function expectSurvivors(
  place: Place,
  servers: readonly Server[],
  { common, lost }: { common: Position; lost: Position },
): Promise<void> {
  // The same numbers again, for other entries.
  const later = await place.publish('later', 6)
  expect(later.seq).toBeGreaterThanOrEqual(lost.seq)
  // Still the newest there is, for whoever starts now.
  expect((await place.manifests())[0]).toBeGreaterThan(common.seq)
  const fresh = await place.start('fresh')
  for (const server of [...servers, fresh]) {
    await until(async () => {
      const { position, ready } = server.index.status()
      return ready && position?.epoch === later.epoch && position.seq >= later.seq
    }, 'the surviving history')
    expect(await place.found(server, ['common', 'lost', 'later'])).toEqual(['common', 'later'])
  }
  const took = /"seq":(\d+)[^}]*took a shared checkpoint/.exec(fresh.said.join())?.[1]
  expect(Number(took)).toBe(common.seq)
}

test('a replica is promoted that lacked the last transactions', async () => {
  await using place = await Place.open()
  const common = await place.publish('common', 3, 400)
  const servers = [await place.start('a'), await place.start('b')]
  for (const { index } of servers) await index.waitFor(common, 30_000)
  await until(async () => (await place.manifests()).includes(common.seq), 'a checkpoint of what survives')
  await place.postgres.caughtUp()
  await place.postgres.detach()
  const before = await place.epoch()
  const lost = await ahead(place, servers, common)
  await place.postgres.primary.kill()
  await place.postgres.promote()
  // Its timeline is another: the servers begin a new epoch by themselves.
  await until(async () => (await place.epoch().catch(() => before)) !== before, 'a new epoch')
  await expectSurvivors(place, servers, { common, lost })
}, 180_000)

test('an older copy of the database is restored under running servers, and nobody says so', async () => {
  await using place = await Place.open()
  const common = await place.publish('common', 3, 400)
  const servers = [await place.start('a'), await place.start('b')]
  for (const { index } of servers) await index.waitFor(common, 30_000)
  await until(async () => (await place.manifests()).includes(common.seq), 'a checkpoint of what survives')
  const copy = await place.postgres.copy()
  const lost = await ahead(place, servers, common)
  await place.postgres.primary.restore(copy)
  // The first connections after it may be old ones. The same cluster, the same timeline, the same epoch.
  const epoch = () => place.epoch().catch(() => '')
  await until(async () => (await epoch()) === lost.epoch, 'the restored database')
  await expectSurvivors(place, servers, { common, lost })
}, 180_000)
