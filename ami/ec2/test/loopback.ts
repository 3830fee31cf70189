// S3 and an instance on this machine: objects of the stand-in over HTTP, and user data that bash really runs, with everything
// that would change the machine replaced by a line in a log.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { StandIn } from '../../../aws/stand-in/stand-in.ts'
import { objectAt } from './far-workshop.ts'

/** @param failing statuses that the next requests are answered with */
export async function serveObjects(
  world: () => StandIn,
  failing: number[] = [],
): Promise<AsyncDisposable & { readonly base: string }> {
  const server = http.createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const status = failing.shift()
    if (status !== undefined) return void response.writeHead(status).end()
    const method = request.method === 'PUT' ? 'PUT' : 'GET'
    const url = `http://loopback${request.url}`
    try {
      const body = method === 'PUT' ? Buffer.concat(parts) : undefined
      response.end(await objectAt(world(), method, url, body))
    } catch (error) {
      const isMissing = error instanceof Error && error.name === 'NoSuchKey'
      response.writeHead(isMissing ? 404 : 403).end('<Error><Code>AccessDenied</Code></Error>')
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const REPLACED = ['apt-get', 'systemctl', 'systemd-run', 'shutdown', 'sync']

export interface Machine {
  /** What its script was told to do to it, a line each. */
  log(): string
  readonly apt: string
  readonly ended: Promise<void>
}

/** As Debian's images for clouds have it. */
const APT: Readonly<Record<string, string>> = {
  'sources.list.d/debian.sources':
    'Types: deb deb-src\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\n',
  'mirrors/debian.list': 'https://own.example.com/debian\n',
  'mirrors/debian-security.list': 'https://own.example.com/debian-security\n',
}

/**
 * Starts what an instance would, in a folder; it is killed when its instance is not running any more.
 * @param own files of its apt
 */
export function startMachine(
  { compute: { instances } }: StandIn,
  id: string,
  folder: string,
  own = APT,
): Machine {
  const at = (name: string) => path.join(folder, id, name)
  mkdirSync(at('bin'), { recursive: true })
  mkdirSync(at('apt/sources.list.d'), { recursive: true })
  mkdirSync(at('apt/mirrors'), { recursive: true })
  for (const [name, text] of Object.entries(own)) writeFileSync(at(`apt/${name}`), text)
  const program = (name: string, text: string) => {
    writeFileSync(at(`bin/${name}`), `#!/bin/sh\n${text}\n`)
    chmodSync(at(`bin/${name}`), 0o755)
  }
  for (const name of REPLACED) program(name, `echo "${name} $*" >> '${at('log')}'`)
  program('node', `exec '${process.execPath}' "$@"`)
  const script = (instances.all.get(id)?.userData ?? '')
    .replaceAll('/var/lib/terrace', at('work'))
    .replaceAll('/etc/apt', at('apt'))
  writeFileSync(at('script'), script)
  writeFileSync(at('log'), '')
  const child = spawn('bash', [at('script')], {
    env: { PATH: `${at('bin')}:/usr/bin:/bin` },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text: string) => instances.says(id, text))
  const isRunning = () => instances.all.get(id)?.state === 'running'
  const watching = setInterval(() => isRunning() || killGroup(child), 50)
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      clearInterval(watching)
      if (isRunning()) instances.powerOff(id)
      resolve()
    }),
  )
  return { log: () => readFileSync(at('log'), 'utf8'), apt: at('apt'), ended }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}
