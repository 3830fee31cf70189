// Files of shared checkpoints on their way into the index's folder: hashed while they arrive, and put there all together
// once there is a whole checkpoint of them. What two checkpoints have in common comes once.
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import type { ManifestFile } from '../checkpoint/checkpoint.ts'
import { verify } from '../checkpoint/files.ts'
import { newFile, settle } from '../making.ts'
import { type CheckpointStore, fileKey, read, Unusable } from './shared.ts'

const AT_ONCE = 3

export interface ArrivalDeps {
  readonly store: CheckpointStore
  /** The index process's folder. */
  readonly dir: string
  readonly log: Logger
  readonly signal: AbortSignal
  /** Told how many bytes of files have come, piece by piece. */
  readonly received?: (bytes: number) => void
}

export class Arrivals implements AsyncDisposable {
  readonly #deps: ArrivalDeps
  readonly #distrust: boolean
  /** By name: whole files that no manifest here names yet. */
  readonly #arrived = new Map<string, { readonly sha256: string; path: string }>()

  /** `distrust`: what is in the folder under a file's name is hashed before it is taken for that file. */
  constructor(deps: ArrivalDeps, distrust: boolean) {
    this.#deps = deps
    this.#distrust = distrust
  }

  /**
   * All of these files, but for those that are in the folder.
   * @returns names of those that were hashed
   * @throws Unusable when one is not to be had as it should be
   */
  async bring(files: readonly ManifestFile[], term: number): Promise<string[]> {
    const waiting = [...files]
    const verified: string[] = []
    const stop = new AbortController()
    const signal = AbortSignal.any([this.#deps.signal, stop.signal])
    const work = async () => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
        if (!this.#distrust && (await this.#isHere(file))) continue
        if (!(this.#distrust && this.#isWhole(file))) await this.#bringOne(fileKey(term, file), file, signal)
        verified.push(file.name)
      }
    }
    const works = Array.from({ length: AT_ONCE }, work)
    try {
      await Promise.all(works)
    } catch (error) {
      stop.abort()
      // Each removes what it was at.
      await Promise.allSettled(works)
      throw error
    }
    return verified
  }

  /** Those of these files that were brought, each under its name. */
  async settle(files: readonly ManifestFile[]): Promise<void> {
    const { dir } = this.#deps
    for (const { name } of files) {
      const arrived = this.#arrived.get(name)
      if (arrived === undefined) continue
      await settle(arrived.path, dir, name)
      arrived.path = path.join(dir, name)
    }
  }

  /** There is a manifest that names them. */
  complete(files: readonly ManifestFile[]): void {
    for (const { name } of files) this.#arrived.delete(name)
  }

  /** What no manifest was written for goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { path: file } of this.#arrived.values()) await rm(file, { force: true })
  }

  /** Names are random: what has this name and size is this file, from an earlier start. Who loads it hashes it. */
  async #isHere(file: ManifestFile): Promise<boolean> {
    try {
      return (await stat(path.join(this.#deps.dir, file.name))).size === file.bytes
    } catch {
      return false
    }
  }

  #isWhole(file: ManifestFile): boolean {
    try {
      verify(this.#deps.dir, file)
      return true
    } catch {
      return false
    }
  }

  async #bringOne(key: string, file: ManifestFile, signal: AbortSignal): Promise<void> {
    if (this.#arrived.get(file.name)?.sha256 === file.sha256) return
    // The way here and this machine can garble a file that is whole, and others need it: twice, before it is believed.
    const arrived = (await this.#download(key, file, signal)) ?? (await this.#download(key, file, signal))
    if (arrived !== null) {
      this.#arrived.set(file.name, { sha256: file.sha256, path: arrived })
      return
    }
    // A builder stores again what is not there. What is there by name and size it would trust for ever.
    await this.#deps.store.delete(key).catch((err: unknown) => {
      this.#deps.log.warn({ err, key }, 'a damaged file of a shared checkpoint was not removed')
    })
    throw new Unusable(`${key} is damaged`)
  }

  /** @returns where it is now; null when it is not what it should be, and then it is not here */
  async #download(key: string, file: ManifestFile, signal: AbortSignal): Promise<string | null> {
    const { store, dir, received } = this.#deps
    const from = await read(store, key)
    const to = await newFile(dir)
    const hash = createHash('sha256')
    const tooLong = new Error(`${key} is too long`)
    let bytes = 0
    const hashing = new Transform({
      transform(chunk: Buffer, _, done) {
        bytes += chunk.length
        if (bytes > file.bytes) return done(tooLong)
        hash.update(chunk)
        received?.(chunk.length)
        done(null, chunk)
      },
    })
    try {
      const written = createWriteStream(to, { flags: 'wx', mode: 0o600, highWaterMark: 1024 * 1024 })
      // Not synced: what a crash takes of it fails the hash at the next start, and costs nothing but time.
      await pipeline(from, hashing, written, { signal })
      if (bytes === file.bytes && hash.digest('hex') === file.sha256) return to
    } catch (error) {
      if (error !== tooLong) {
        await rm(to, { force: true })
        throw error
      }
    }
    await rm(to, { force: true })
    return null
  }
}
