// What of this checkout goes into images, by content: a commit that changes nothing of it makes no other images.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstat, readFile, readlink } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { Problem } from '../../local/problem.ts'

/**
 * Everything that servers run, that builds it, and that puts images together and tests them. Rather too much of it than too little:
 * what is missing here would be a change that no image ever gets.
 */
const PLACES = [
  ...['api', 'contract', 'docs/samples', 'prisma', 'web'],
  ...['ami', 'local'],
  ...[
    'LICENSE',
    'docs/third-party.md',
    'package.json',
    'package-lock.json',
    'prisma.config.ts',
    'tsconfig.json',
  ],
] as const
/** Of those, what neither ships nor builds: tests, and what asks for a disk and sends it away. */
const BESIDE =
  /\.test\.tsx?$|\.md$|(?:^|\/)(?:test|test-setup)\/|^ami\/(?:bake|ec2|image-set|ledger|scan|upload)\/|^local\/s3\//
const SHIPPED_TEXT = /^docs\//

const isInput = (name: string): boolean => SHIPPED_TEXT.test(name) || !BESIDE.test(name)

export interface Checkout {
  /** SHA-1 of what is checked out, in hex. */
  readonly commit: string
  /** Version of package.json. */
  readonly version: string
  /** Inputs that differ from the commit, or are in none. */
  readonly uncommitted: readonly string[]
  /** Name below the checkout → SHA-256 in hex, with `+x` behind it when it can be run. */
  readonly files: Readonly<Record<string, string>>
}

const run = promisify(execFile)

/**
 * @param root folder of the checkout
 * @throws Problem when it is none of git
 */
export async function readCheckout(root: string): Promise<Checkout> {
  const git = async (...args: string[]) => {
    try {
      // -c: a folder of another user's is refused otherwise, and images are baked by root.
      const { stdout } = await run('git', ['-C', root, '-c', `safe.directory=${root}`, ...args], {
        maxBuffer: 2 ** 26,
      })
      return stdout
    } catch (cause) {
      throw new Problem(
        `git does not say what is checked out in ${root}: ${reasonOf(cause)}`,
        'Bake from a clone of the repository, with git installed.',
        { cause },
      )
    }
  }
  const commit = (await git('rev-parse', 'HEAD')).trim()
  const places = ['--', ...PLACES]
  const names = (await git('ls-files', '-z', '--cached', '--others', '--exclude-standard', ...places)).split(
    '\0',
  )
  const status = await git('status', '--porcelain', '-z', '--no-renames', '--untracked-files=all', ...places)
  const files: Record<string, string> = {}
  for (const name of [...new Set(names)].filter((one) => one !== '' && isInput(one)).sort()) {
    const digest = await digestAt(path.join(root, name))
    if (digest !== undefined) files[name] = digest
  }
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'))
  return {
    commit,
    version: String(version),
    uncommitted: status
      .split('\0')
      .map((line) => line.slice(3))
      .filter((name) => name !== '' && isInput(name)),
    files,
  }
}

/** Of one file, as `Checkout.files` has it. */
export function digestOf(file: {
  readonly content: Uint8Array
  readonly isExecutable?: boolean
  readonly link?: string
}): string {
  const { content, isExecutable = false, link } = file
  const digest = createHash('sha256')
    .update(link === undefined ? content : `link ${link}`)
    .digest('hex')
  return isExecutable ? `${digest}+x` : digest
}

/** @returns undefined for what is in git only: it was removed */
async function digestAt(file: string): Promise<string | undefined> {
  try {
    const about = await lstat(file)
    if (about.isSymbolicLink()) return digestOf({ content: Buffer.alloc(0), link: await readlink(file) })
    const isExecutable = about.isFile() && (about.mode & 0o111) !== 0
    return digestOf({ content: await readFile(file), isExecutable })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function reasonOf(cause: unknown): string {
  const said: unknown = typeof cause === 'object' && cause !== null ? Reflect.get(cause, 'stderr') : ''
  return String(said || (cause instanceof Error ? cause.message : cause))
    .trim()
    .split('\n')
    .slice(-1)
    .join('')
}
