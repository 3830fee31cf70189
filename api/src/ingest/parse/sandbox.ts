// How a parser's process is started: as little of the machine as the platform lets us take away. Always: no secret in
// its environment, Node's permission model (it reads program text only: no document, no data folder; no child, no
// thread, no native code), no code from strings. Where Linux allows: no network, another user, gone with its parent.
// The strongest way that is permitted and really starts is found once (pool.ts).
import { execFile } from 'node:child_process'
import path from 'node:path'

/** A command that replaces itself by what follows; an empty one is none. */
export interface Wrapper {
  readonly name: string
  readonly command: readonly string[]
  readonly network: boolean
}

/** A user that nothing else runs under: not `nobody`, to whom PostgreSQL belongs when root has started us. */
const PARSER_USER = 65532
const PRIVILEGES = ['setpriv', '--no-new-privs', '--pdeathsig', 'KILL']

/** Strongest first. */
export function wrappers(platform: NodeJS.Platform, uid: number | undefined): Wrapper[] {
  const none: Wrapper = { name: 'permissions', command: [], network: true }
  if (platform !== 'linux') return [none]
  const own: Wrapper = { name: 'permissions, privileges', command: [...PRIVILEGES, '--'], network: true }
  if (uid === 0) {
    const user = [`--reuid=${PARSER_USER}`, `--regid=${PARSER_USER}`, '--clear-groups']
    return [
      {
        name: 'permissions, network, user',
        command: ['unshare', '--net', '--', ...PRIVILEGES, ...user, '--'],
        network: false,
      },
      {
        name: 'permissions, network',
        command: ['unshare', '--net', '--', ...PRIVILEGES, '--'],
        network: false,
      },
      own,
      none,
    ]
  }
  return [
    {
      name: 'permissions, network',
      command: ['unshare', '--map-current-user', '--net', '--', ...PRIVILEGES, '--'],
      network: false,
    },
    own,
    none,
  ]
}

const PERMITTED_MS = 20_000

/**
 * Whether the system lets us use a wrapper, asked with a program that does nothing. One that does not answer in time is
 * taken for permitted: a busy machine must not be what weakens the sandbox.
 */
export async function isPermitted({ command }: Wrapper): Promise<boolean> {
  const [file, ...args] = command
  if (file === undefined) return true
  return await new Promise((resolve) => {
    execFile(file, [...args, 'true'], { timeout: PERMITTED_MS, killSignal: 'SIGKILL' }, (error) =>
      resolve(error === null || error.killed === true),
    )
  })
}

const ROOT = path.resolve(import.meta.dirname, '../../../..')

export interface ParserCommand {
  readonly file: string
  readonly args: readonly string[]
}

export function parserCommand(
  wrapper: Wrapper,
  tokenizer: string | null,
  heapMegabytes: number,
): ParserCommand {
  const readable = [
    'api/src',
    'api/package.json',
    'api/node_modules',
    'contract',
    'node_modules',
    'package.json',
  ].map((name) => path.join(ROOT, name))
  if (tokenizer !== null) readable.push(tokenizer)
  const node = [
    process.execPath,
    '--permission',
    ...readable.map((name) => `--allow-fs-read=${name}`),
    '--disallow-code-generation-from-strings',
    '--no-warnings',
    `--max-old-space-size=${heapMegabytes}`,
    path.join(import.meta.dirname, 'process.ts'),
    tokenizer ?? '',
  ]
  const [file, ...args] = [...wrapper.command, ...node]
  return { file: file ?? process.execPath, args }
}
