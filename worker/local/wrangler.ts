// Wrangler, kept to itself: no telemetry, no update check, and its own files below one folder that is thrown away.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Problem } from '../../local/problem.ts'

export const CONFIGURATION = path.resolve(import.meta.dirname, '../wrangler.jsonc')

/** What is deployed: bundled by wrangler as it does for `deploy`, without asking anybody for anything.
 * @returns the file and its size in bytes
 * @throws Problem with wrangler's own words */
export async function bundleWorker(folder: string): Promise<{ file: string; bytes: number }> {
  const { code, output } = await wrangler(['deploy', '--dry-run', '--outdir', folder])
  if (code !== 0) throw new Problem(`The Worker could not be bundled:\n${output}`, 'See worker/README.md.')
  const file = path.join(folder, 'worker.js')
  return { file, bytes: statSync(file).size }
}

/** Runs one of wrangler's commands on the Worker's configuration; with `show` it talks to the terminal itself. */
export async function wrangler(
  args: readonly string[],
  options: { show?: boolean } = {},
): Promise<{ code: number; output: string }> {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-wrangler-'))
  try {
    const main = createRequire(import.meta.url).resolve('wrangler')
    const bin = path.resolve(path.dirname(main), '../bin/wrangler.js')
    const child = spawn(process.execPath, [bin, ...args, '--config', CONFIGURATION], {
      env: {
        ...process.env,
        WRANGLER_SEND_METRICS: 'false',
        WRANGLER_HIDE_BANNER: 'true',
        CLOUDFLARE_CF_FETCH_ENABLED: 'false',
        WRANGLER_LOG_PATH: path.join(home, 'logs'),
        WRANGLER_CACHE_DIR: path.join(home, 'cache'),
        // A sign-in of `wrangler login` is kept there: only commands that need none may have it elsewhere.
        ...(args.includes('--dry-run') ? { XDG_CONFIG_HOME: home } : {}),
      },
      stdio: options.show === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    })
    return await ended(child)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

function ended(child: ChildProcess): Promise<{ code: number; output: string }> {
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

export interface WorkerConfiguration {
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  readonly vars: Readonly<Record<string, unknown>>
  readonly aiBinding: string
  readonly durableObjects: readonly { readonly binding: string; readonly className: string }[]
}

/** worker/wrangler.jsonc as wrangler reads it. */
export async function readConfiguration(): Promise<WorkerConfiguration> {
  // Only here: it is 10 MB of JavaScript.
  const { unstable_readConfig } = await import('wrangler')
  const { compatibility_date, compatibility_flags, vars, ai, durable_objects }: Raw = unstable_readConfig({
    config: CONFIGURATION,
  })
  if (compatibility_date === undefined || ai === undefined) throw new Error('wrangler.jsonc is incomplete')
  return {
    compatibilityDate: compatibility_date,
    compatibilityFlags: compatibility_flags,
    vars,
    aiBinding: ai.binding,
    durableObjects: durable_objects.bindings.map(({ name, class_name }) => ({
      binding: name,
      className: class_name,
    })),
  }
}

/** What is used of it, by wrangler's names. */
interface Raw {
  readonly compatibility_date?: string | undefined
  readonly compatibility_flags: readonly string[]
  readonly vars: Readonly<Record<string, unknown>>
  readonly ai?: { readonly binding: string } | undefined
  readonly durable_objects: { readonly bindings: readonly { name: string; class_name: string }[] }
}
