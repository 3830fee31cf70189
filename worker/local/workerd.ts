// The Worker on this machine: the real runtime, the bundle that is deployed and the configuration it is deployed with. Only
// what is behind the AI binding is another: the binding's own code (part of the runtime) asks a server here.
//
// Wrangler's own development server is not used: it puts a proxy in front, which does not pass on that a client has
// gone (4.118), and adds 20 ms to each request.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { WorkerConfiguration } from './wrangler.ts'

export interface WorkerdOptions {
  readonly configuration: WorkerConfiguration
  /** The bundle's file. */
  readonly bundle: string
  /** Variables and secrets of the installation; they win over those of wrangler.jsonc. */
  readonly bindings: Readonly<Record<string, unknown>>
  /** Port here of what answers in Workers AI's place. */
  readonly aiPort: number
  /** Where the Durable Object's database lies. */
  readonly storage: string
  /** Default: any free one. */
  readonly port?: number
  readonly log?: (line: string) => void
}

export interface Workerd extends AsyncDisposable {
  readonly url: string
  /** workerd's own. */
  readonly pid: number
  readonly exited: Promise<void>
  close(): Promise<void>
}

/** @throws Error with what workerd said when it does not start */
export async function startWorkerd(options: WorkerdOptions): Promise<Workerd> {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-workerd-'))
  mkdirSync(options.storage, { recursive: true })
  // Beside the configuration: an embedded file is looked for from there.
  copyFileSync(options.bundle, path.join(folder, 'worker.js'))
  const file = path.join(folder, 'workerd.capnp')
  // Secrets are in it.
  writeFileSync(file, capnp(options), { mode: 0o600 })
  const keeper = path.join(import.meta.dirname, 'keeper.ts')
  const args = [keeper, workerdBinary(), 'serve', file, '--experimental', '--control-fd=3']
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] })
  const exited = once(child, 'close').then(() => rmSync(folder, { recursive: true, force: true }))
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000)
      options.log?.(text)
    })
  const started = await Promise.race([listening(child), exited.then(() => null)])
  if (started === null) throw new Error(`workerd did not start:\n${said}`)
  const close = async () => {
    child.kill('SIGTERM')
    // The keeper ends it when its stdin ends.
    const late = setTimeout(() => child.stdin?.end(), 5_000)
    await exited
    clearTimeout(late)
  }
  return {
    url: `http://127.0.0.1:${started.port}`,
    pid: started.pid,
    exited,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function workerdBinary(): string {
  const fromWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler'))
  const { default: binary }: { default: string } = fromWrangler('workerd')
  return binary
}

function listening(child: ChildProcess): Promise<{ port: number; pid: number }> {
  const control = child.stdio[3] as Readable
  let text = ''
  return new Promise((resolve) =>
    control.setEncoding('utf8').on('data', (more: string) => {
      text += more
      const pid = /"event":"started","pid":(\d+)/.exec(text)?.[1]
      const port = /"event":"listen".*?"port":(\d+)/.exec(text)?.[1]
      if (pid !== undefined && port !== undefined) resolve({ port: Number(port), pid: Number(pid) })
    }),
  )
}

function capnp({ configuration, bindings, aiPort, storage, port = 0 }: WorkerdOptions): string {
  const { compatibilityDate, compatibilityFlags, vars, aiBinding, durableObjects } = configuration
  const values = Object.entries({ ...vars, ...bindings }).map(([name, value]) =>
    typeof value === 'string'
      ? `(name = ${quoted(name)}, text = ${quoted(value)})`
      : `(name = ${quoted(name)}, json = ${quoted(JSON.stringify(value))})`,
  )
  const objects = durableObjects.map(
    ({ binding, className }) => `(name = ${quoted(binding)}, durableObjectNamespace = ${quoted(className)})`,
  )
  const ai = `(name = ${quoted(aiBinding)}, wrapped = (moduleName = "cloudflare-internal:ai-api",
        innerBindings = [(name = "fetcher", service = "workers-ai")]))`
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = ${quoted(compatibilityDate)},
      compatibilityFlags = [${compatibilityFlags.map(quoted).join(', ')}],
      bindings = [${[ai, ...objects, ...values].join(',\n        ')}],
      durableObjectNamespaces = [${durableObjects
        .map(
          ({ className: name }) =>
            `(className = ${quoted(name)}, uniqueKey = ${quoted(name)}, enableSql = true)`,
        )
        .join(', ')}],
      durableObjectStorage = (localDisk = "storage")
    )),
    (name = "workers-ai", external = (address = "127.0.0.1:${aiPort}", http = ())),
    (name = "storage", disk = (path = ${quoted(storage)}, writable = true))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "worker")]
);
`
}

/** A text in Cap'n Proto's notation. */
function quoted(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `"${escaped}"`
}
