// Debian packages that the tests use: Chromium for browser tests, what FAISS is compiled against, documents of the kind
// that people upload, and pandoc to make DOCX files of them. Installed when we are root, else the line to type is printed.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { FAISS_PACKAGES } from '../faiss/prepare.ts'
import { NATIVE, run } from '../install.mjs'

/** Package → a file of it. What is there by other means than apt counts too. */
const TOOLS: Readonly<Record<string, string>> = {
  chromium: '/usr/bin/chromium',
  pandoc: '/usr/bin/pandoc',
}
/** About 40 MB: PDFs, HTML and text. */
const DOCUMENTS = ['debian-faq', 'debian-policy', 'debian-handbook']

export interface SystemPackages {
  /** Not there, and not installed now. */
  readonly missing: readonly string[]
  readonly line: string
  readonly installed: readonly string[]
}

export async function systemPackages(): Promise<SystemPackages> {
  const wanted = [...Object.keys(TOOLS), ...FAISS_PACKAGES, ...DOCUMENTS]
  const line = `sudo apt-get install -y --no-install-recommends ${wanted.join(' ')}`
  const missing = wanted.filter((name) => !isThere(name))
  if (missing.length === 0) return { missing, line, installed: [] }
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return { missing, line, installed: [] }
  await apt(missing)
  const still = missing.filter((name) => !isThere(name))
  return { missing: still, line, installed: missing.filter((name) => !still.includes(name)) }
}

function isThere(name: string): boolean {
  const tool = TOOLS[name]
  if (tool !== undefined && existsSync(tool)) return true
  const { status, stdout } = spawnSync('dpkg', ['-s', name], { encoding: 'utf8' })
  return status === 0 && stdout.includes('Status: install ok installed')
}

/** Another apt may be at work (unattended upgrades): its lock is waited for. A mirror that fails gets three tries. */
async function apt(packages: readonly string[]): Promise<void> {
  const options = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3', '-q', '-y']
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const log = path.join(NATIVE, 'apt.log')
  await run(['apt-get', ...options, 'update'], { log, env })
  // Slim images leave documentation out; here it is what is wanted.
  const documents = ['-o', 'DPkg::Options::=--path-include=/usr/share/doc/*']
  const all = [...options, ...documents, '--no-install-recommends', 'install']
  const { code } = await run(['apt-get', ...all, ...packages], { log, env })
  if (code === 0) return
  // One that this Debian does not have must not keep the others away.
  for (const name of packages) await run(['apt-get', ...all, name], { log, env })
}
