// Gets the embedder's weights: MODEL_DIR or what is there already, the hub, MODEL_URL, Maven's client where it is
// installed. Without them documents are found by their words only; the product says so and goes on.
// A failed try is not repeated at every start: `npm run models` tries again.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { EMBEDDER_WEIGHTS as WEIGHTS } from '../../contract/weights.ts'
import { run } from '../install.mjs'
import { readStamp, writeStamp } from '../stamps.ts'
import { download } from './download.ts'
import { FILES, inspect, place, placeOf, sha256, userCache } from './weights.ts'
import { readZipEntry } from './zip.ts'

export interface WeightsResult {
  /** For MODEL_DIR of the servers. */
  readonly modelDir: string
  readonly complete: boolean
  readonly title: string
  readonly sentence: string
}

const RETRY_MS = 60 * 60 * 1000
const HUB = 'https://huggingface.co'

/**
 * @param home TERRACE_HOME
 * @param again try even when a try failed lately
 */
export async function prepareWeights(
  home: string,
  report: (line: string) => void,
  again = false,
): Promise<WeightsResult> {
  const own = process.env.MODEL_DIR
  const modelDir = path.resolve(own || path.join(home, 'models'))
  const state = await inspect(modelDir)
  if (state === 'complete') return there(modelDir)
  if (own && state === 'different')
    return without(
      modelDir,
      `the files in MODEL_DIR (${modelDir}) are not the pinned ones. Remove them and run: npm run models`,
    )
  const cache = writable(userCache()) ?? modelDir
  if (cache !== modelDir && (await inspect(cache)) === 'complete') {
    for (const file of FILES) place(placeOf(cache, file), modelDir, file)
    return there(modelDir)
  }
  const last = Number(readStamp('weights-tried') ?? 0)
  if (!again && Date.now() - last < RETRY_MS)
    return without(modelDir, 'the embedding model could not be fetched. Try again with: npm run models')
  const reasons = await fetchInto(cache, report)
  if (reasons !== null) {
    writeStamp('weights-tried', String(Date.now()))
    return without(
      modelDir,
      `the embedding model could not be fetched (${reasons.join('; ')}). Later: npm run models`,
    )
  }
  if (cache !== modelDir) for (const file of FILES) place(placeOf(cache, file), modelDir, file)
  return there(modelDir)
}

function there(modelDir: string): WeightsResult {
  return {
    modelDir,
    complete: true,
    title: WEIGHTS.model,
    sentence: `by words and meaning (${WEIGHTS.model})`,
  }
}

function without(modelDir: string, why: string): WeightsResult {
  return {
    modelDir,
    complete: false,
    title: 'none (search by words only)',
    sentence: `by words only: ${why}`,
  }
}

function writable(folder: string | null): string | null {
  if (folder === null) return null
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
    return folder
  } catch {
    return null
  }
}

/** @returns null when complete, else why each source failed */
async function fetchInto(modelDir: string, report: (line: string) => void): Promise<string[] | null> {
  const reasons: string[] = []
  const temporary = mkdtempSync(path.join(tmpdir(), 'terrace-weights-'))
  const sources: [string, () => Promise<void>][] = [
    ['the hub', () => fromHub(temporary, report)],
    ...(process.env.MODEL_URL
      ? [['MODEL_URL', () => fromUrl(temporary, report)] as [string, () => Promise<void>]]
      : []),
    ...(mavenIsThere()
      ? [['Maven', () => fromMaven(temporary, report)] as [string, () => Promise<void>]]
      : []),
  ]
  try {
    for (const [name, fetchFiles] of sources) {
      try {
        await fetchFiles()
        for (const file of FILES) {
          const fetched = path.join(temporary, file.name)
          if ((await sha256(fetched)) !== file.sha256) throw new Error(`${file.name} is not the pinned file`)
          place(fetched, modelDir, file)
        }
        return null
      } catch (error) {
        reasons.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return reasons
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

async function fromHub(folder: string, report: (line: string) => void): Promise<void> {
  const { repository, revision } = WEIGHTS.hub
  const base = (process.env.HF_ENDPOINT || HUB).replace(/\/$/, '')
  for (const file of FILES)
    await fetchFile(`${base}/${repository}/resolve/${revision}/${file.hubPath}`, folder, file, report)
}

/** MODEL_URL serves a copy of such a folder as MODEL_DIR is. */
async function fromUrl(folder: string, report: (line: string) => void): Promise<void> {
  const base = (process.env.MODEL_URL ?? '').replace(/\/$/, '')
  for (const file of FILES) await fetchFile(`${base}/${WEIGHTS.folder}/${file.name}`, folder, file, report)
}

async function fetchFile(
  url: string,
  folder: string,
  file: (typeof FILES)[number],
  report: (line: string) => void,
): Promise<void> {
  let shown = -1
  await download({
    url,
    to: path.join(folder, file.name),
    bytes: file.bytes,
    sha256: file.sha256,
    onBytes(received) {
      const percent = Math.floor((received / file.bytes) * 10) * 10
      if (percent !== shown) report(`${file.name} ${percent} % of ${Math.ceil(file.bytes / 1e6)} MB`)
      shown = percent
    },
  })
}

function mavenIsThere(): boolean {
  return spawnSync('mvn', ['--version'], { stdio: 'ignore' }).status === 0
}

/** The same files lie in an artefact of LangChain4j; Maven's client knows mirrors and proxies of its own. */
async function fromMaven(folder: string, report: (line: string) => void): Promise<void> {
  const { group, artifact, version, sha256: archiveHash } = WEIGHTS.maven
  report('through Maven, about half a minute')
  const { code, text } = await run(
    [
      ...['mvn', '-q', '-B', '-ntp', 'dependency:copy'],
      `-Dartifact=${group}:${artifact}:${version}`,
      `-DoutputDirectory=${folder}`,
    ],
    { cwd: folder },
  )
  if (code !== 0) throw new Error(text.trim().split('\n')[0] ?? `mvn ended with ${code}`)
  const jar = path.join(folder, `${artifact}-${version}.jar`)
  if ((await sha256(jar)) !== archiveHash) throw new Error('the archive is not the pinned one')
  const archive = readFileSync(jar)
  for (const file of FILES) {
    const bytes = readZipEntry(archive, file.archivePath, file.bytes)
    writeFileSync(path.join(folder, file.name), bytes)
  }
}
