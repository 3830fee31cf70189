// Makes faiss-node usable, or says why it isn't. In this order: the binary that came with the package (its own
// installation fetches one where it can), one compiled earlier, one compiled now from its own faiss.cc against the
// system's libfaiss, none (then the exact scan in TypeScript does the work: same answers, slower when there are many).
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { NATIVE, ROOT, run } from '../install.mjs'
import { fingerprint, readStamp, writeStamp } from '../stamps.ts'

export interface FaissResult {
  readonly engine: 'faiss' | 'exact'
  /** For the progress list. */
  readonly title: string
  /** For the summary: which engine, and what to do when it is not the best one. */
  readonly sentence: string
}

/** Everything that compiling needs, on Debian and Ubuntu. */
export const FAISS_PACKAGES = ['g++', 'libfaiss-dev', 'libopenblas-dev'] as const
export const FAISS_APT = `sudo apt-get install -y --no-install-recommends ${FAISS_PACKAGES.join(' ')}`

const HERE = import.meta.dirname
const PACKAGED = path.join(ROOT, 'node_modules/faiss-node')
const COMPILED = path.join(NATIVE, 'node_modules/faiss-node')
const BINARY = 'build/Release/faiss-node.node'

export async function prepareFaiss(report: (line: string) => void): Promise<FaissResult> {
  if (existsSync(path.join(PACKAGED, BINARY)) && known(PACKAGED)) return result('FAISS (packaged binary)')
  const library = systemLibrary()
  const compiled = existsSync(path.join(COMPILED, BINARY))
  // Compiled earlier, the compiler is gone since: it needs only the shared libraries.
  if (library === null) return compiled && known(COMPILED) ? result('FAISS (compiled here)') : missing()
  const { size, mtimeMs } = statSync(library)
  const key = fingerprint(['local/faiss'], [library, String(size), String(mtimeMs)])
  if (compiled && readStamp('faiss') === key) return result('FAISS (compiled here)')
  report('compiling it, a few seconds')
  const problem = await compile()
  if (problem !== null) return failed(problem)
  if (!probe(COMPILED)) return failed('the compiled addon does not answer')
  writeStamp('faiss', key)
  return result('FAISS (compiled here)')
}

function result(title: string): FaissResult {
  return { engine: 'faiss', title, sentence: title }
}

function missing(): FaissResult {
  const line = process.platform === 'linux' ? ` FAISS is faster with many documents: ${FAISS_APT}` : ''
  return { engine: 'exact', title: 'exact scan (no libfaiss)', sentence: `exact scan in TypeScript.${line}` }
}

function failed(why: string): FaissResult {
  return {
    engine: 'exact',
    title: 'exact scan (FAISS could not be compiled)',
    sentence: `exact scan in TypeScript: FAISS could not be compiled (${why}). Log: ${path.join(NATIVE, 'faiss-build.log')}`,
  }
}

/** The addon in this folder loads and answers. Asked in another process: a bad binary aborts the one that loads it. */
function probe(folder: string): boolean {
  return spawnSync(process.execPath, [path.join(HERE, 'probe.mjs'), folder], { timeout: 20_000 }).status === 0
}

/** Like `probe`, asked once per binary. */
function known(folder: string): boolean {
  const { size, mtimeMs } = statSync(path.join(folder, BINARY))
  const key = `${folder} ${size} ${mtimeMs}`
  if (readStamp('faiss-known') === key) return true
  if (!probe(folder)) return false
  writeStamp('faiss-known', key)
  return true
}

/** Path of the system's static libfaiss, or null when that, OpenBLAS or the compiler is missing. */
function systemLibrary(): string | null {
  if (process.platform !== 'linux') return null
  const find = (name: string) => {
    const found = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' })
    const place = found.status === 0 ? found.stdout.trim() : ''
    return path.isAbsolute(place) && existsSync(place) ? place : null
  }
  return find('libopenblas.so') === null ? null : find('libfaiss.a')
}

const SOURCES = ['package.json', 'package-lock.json']

/** Fetched before, by the same lock file. */
function sourcesAreThere(): boolean {
  const same = SOURCES.every((file) => {
    const copy = path.join(NATIVE, file)
    return existsSync(copy) && readFileSync(copy).equals(readFileSync(path.join(HERE, 'sources', file)))
  })
  return same && existsSync(path.join(NATIVE, 'node_modules/.package-lock.json'))
}

/** @returns what went wrong, or null */
async function compile(): Promise<string | null> {
  const log = path.join(NATIVE, 'faiss-build.log')
  mkdirSync(NATIVE, { recursive: true })
  if (!sourcesAreThere()) {
    for (const file of SOURCES) copyFileSync(path.join(HERE, 'sources', file), path.join(NATIVE, file))
    const fetched = await run(
      ['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
      {
        cwd: NATIVE,
        log,
        // npm hands its own settings on as variables; the ones of the outer npm name the outer project.
        env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/.test(name))),
      },
    )
    if (fetched.code !== 0) return 'its sources could not be fetched'
  }
  const modules = path.join(NATIVE, 'node_modules')
  const objects = path.join(NATIVE, 'fastdist.o')
  const kernels = await run(
    ['g++', '-std=c++17', '-O3', '-ffast-math', '-fPIC', '-c', path.join(HERE, 'fastdist.cc'), '-o', objects],
    { cwd: NATIVE, log },
  )
  if (kernels.code !== 0) return 'the distance kernels do not compile'
  const out = path.join(COMPILED, BINARY)
  mkdirSync(path.dirname(out), { recursive: true })
  const addon = await run(
    [
      ...['g++', '-std=c++17', '-O3', '-fPIC', '-shared', '-fopenmp'],
      ...['-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=faiss_node', '-DBUILDING_NODE_EXTENSION'],
      // FAISS's exceptions become JavaScript errors; without this they end the process.
      '-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL',
      ...['-include', path.join(HERE, 'compat.h')],
      `-I${path.join(modules, 'node-api-headers/include')}`,
      `-I${path.join(modules, 'node-addon-api')}`,
      ...[path.join(COMPILED, 'src/faiss.cc'), objects, '-o', `${out}.new`],
      ...['-Wl,-z,muldefs', '-lfaiss', '-lopenblas'],
    ],
    { cwd: NATIVE, log },
  )
  if (addon.code !== 0) return 'its addon does not compile'
  renameSync(`${out}.new`, out)
  return null
}
