// `npm run bake -- --builder ec2` as a process, in a clone of this checkout as it lies here, over an account of the stand-in in which
// instances are what they are told to be: workshops, and images that test themselves.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { PackageURL } from 'packageurl-js'
import type { Aws } from '../../../aws/port.ts'
import { type StandIn, standIn } from '../../../aws/stand-in/stand-in.ts'
import { imagesTestThemselves } from '../../ec2/fixture.ts'
import { objectAt, prepare, SECRET } from '../../ec2/test/far-workshop.ts'
import { Refused } from '../../ec2/wire.ts'
import { licence } from '../../sbom/component.ts'
import { mergeBoms, printBom } from '../../sbom/sbom.ts'
import { LICENCE_WAIVERS } from '../../sbom/waivers.ts'
import { sbomBeside } from '../inspection.ts'
import type { Builder } from '../local-builder.ts'
import { type Asked, serveStandIn } from './far.ts'
import { account, builderOf, pagesOf, region } from './kitchen.ts'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const LICENSED = LICENCE_WAIVERS.map(({ package: full, licence: said }) => {
  const [name = '', group] = full.split('/').reverse()
  const purl = new PackageURL('npm', group, name, '1.0.0').toString()
  const of = { 'bom-ref': purl, ...(group !== undefined && { group }), name, version: '1.0.0', purl }
  return { type: 'library' as const, ...of, licenses: licence(said) }
})
/** Milliseconds of the real clock: workshops work while whoever bakes waits. */
const MOMENT = 40

export interface Clone {
  readonly folder: string
  readonly root: string
  /** What the build of its pages is called. */
  readonly pages: string
  remove(): void
}

/** With agents that nobody has: a bake of a checkout without any uploads nothing. */
export function cloneHere(): Clone {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-command-'))
  const root = path.join(folder, 'checkout')
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', maxBuffer: 2 ** 26 })
  const listed = git('-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard')
  for (const name of listed.split('\0').filter((one) => one !== '' && !/^(?:bench|docs|e2e)\//.test(one)))
    try {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
      copyFileSync(path.join(ROOT, name), path.join(root, name))
    } catch (error) {
      // Removed, and not committed yet.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  const pin = { version: '9.0.0', url: 'https://agents.example.com/a.deb', sha256: 'a'.repeat(64), bytes: 1 }
  const signed = { ...pin, signedBy: 'A'.repeat(40) }
  const pins = { cloudwatch: { ...signed, version: '1.400000.0' }, ssm: signed }
  writeFileSync(path.join(root, 'ami/agents/pins.json'), JSON.stringify(pins))
  git('-C', root, 'init', '--quiet')
  git('-C', root, 'add', '--all')
  const nobody = ['-c', 'user.name=Nobody', '-c', 'user.email=nobody@example.com']
  git('-C', root, ...nobody, 'commit', '--quiet', '--message', 'Everything')
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'))
  // Who knows of weaknesses: npm's own client is not to ask anybody.
  const npm = path.join(folder, 'bin/npm')
  mkdirSync(path.dirname(npm))
  writeFileSync(npm, `#!/bin/sh\necho '{"auditReportVersion":2,"vulnerabilities":{}}'\n`)
  chmodSync(npm, 0o755)
  const asks = `import { webBuildId } from ${JSON.stringify(pathToFileURL(path.join(root, 'local/web-build.ts')).href)}
    process.stdout.write(webBuildId())`
  const evaluated = ['--input-type=module-typescript', '--eval', asks]
  const pages = execFileSync(process.execPath, evaluated, { encoding: 'utf8' })
  return { folder, root, pages, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface Account extends AsyncDisposable {
  readonly world: StandIn
  /** What builders over there have begun. */
  readonly begun: readonly string[]
  /** Starts the command. */
  bake(): Bake
}

export interface Bake {
  readonly child: ChildProcess
  /** Its exit code or signal, and all that it has said. */
  readonly ended: Promise<{ readonly code: number | string; readonly said: string }>
}

/** @param on as `serveStandIn` */
export async function openAccount(
  { folder, root, pages }: Clone,
  on: (when: 'before' | 'after', asked: Asked) => unknown,
): Promise<Account> {
  const world = standIn(account, region)
  const begun: string[] = []
  const { instances } = world.compute
  const place = mkdtempSync(path.join(folder, 'account-'))
  const isUp = (id: string) => instances.all.get(id)?.state === 'running'
  // Time passes for whoever bakes only: a workshop has nobody to wait for when that is dead.
  const clock = { now: () => world.clock.now(), sleep: async () => void (await pause(MOMENT)) }
  const far = prepare(
    world,
    place,
    () => undefined,
    (id) => ({
      builder: listed(builderOf((what) => begun.push(what))),
      pages: pagesOf(path.join(place, id), () => pages),
      wire: wireOf(world, () => isUp(id)),
      clock,
    }),
  )
  const workshop = instances.program
  imagesTestThemselves(world)
  const selfTest = instances.program
  instances.program = (id) => (isBootTest(world, id) ? selfTest : workshop)?.(id)
  const sleep: Aws['clock']['sleep'] = async (ms, signal) => {
    await pause(MOMENT)
    await world.clock.sleep(ms, signal)
  }
  const aws = { ...far.aws, clock: { now: () => world.clock.now(), sleep } }
  const served = await serveStandIn({ ...world, aws }, on)
  const tracker = createServer((_, response) => response.end('{}'))
  await new Promise<void>((resolve) => tracker.listen(0, '127.0.0.1', resolve))
  const env = {
    PATH: `${path.join(folder, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
    HOME: folder,
    DEBIAN_SECURITY_TRACKER: `http://127.0.0.1:${(tracker.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    // Of addresses that are signed: nobody asks there, since a workshop reads the account's objects itself.
    AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
  }
  const running = new Set<ChildProcess>()
  return {
    world,
    begun,
    bake() {
      const hook = pathToFileURL(path.join(root, 'ami/bake/test/far-connect.ts'))
      hook.searchParams.set('account', served.address)
      const line = ['--builder', 'ec2', '--tier', 'all', '--region', region, '--account', account]
      const child = spawn(
        process.execPath,
        ['--import', hook.href, path.join(root, 'ami/bake/command.ts'), ...line],
        {
          ...{ cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] },
        },
      )
      running.add(child)
      let said = ''
      for (const output of [child.stdout, child.stderr])
        output?.setEncoding('utf8').on('data', (text: string) => {
          said += text
        })
      const ended = new Promise<{ code: number | string; said: string }>((resolve) =>
        child.once('close', (code, signal) => {
          running.delete(child)
          resolve({ code: signal ?? code ?? '', said })
        }),
      )
      return { child, ended }
    },
    async [Symbol.asyncDispose]() {
      for (const child of running) child.kill('SIGKILL')
      for (const { id, state } of instances.all.values()) if (state === 'running') instances.powerOff(id)
      await far.idle()
      await served[Symbol.asyncDispose]()
      tracker.closeAllConnections()
      await new Promise((resolve) => tracker.close(resolve))
    },
  }
}

/** Whether a machine was started to test its own image, and not as a builder. */
export const isBootTest = ({ compute }: StandIn, id: string): boolean =>
  compute.instances.all.get(id)?.userData.startsWith('{') === true

/** A builder whose disks say what is in them, in a document that is valid: what may be passed on for a reason, as in real ones. */
const listed = (builder: Builder): Builder => ({
  ...builder,
  make: async (tier, facts, lists, file, report) => {
    const made = await builder.make(tier, facts, lists, file, report)
    writeFileSync(sbomBeside(file), printBom({ ...mergeBoms({}, facts.release), components: LICENSED }))
    return made
  },
})

/** By what S3's own client has signed; one that is gone does nothing any more. */
function wireOf(world: StandIn, isUp: () => boolean) {
  const object = (method: 'GET' | 'PUT', url: string, body?: Buffer) => {
    const { pathname, searchParams } = new URL(url)
    if (!isUp()) throw new Refused('the machine is gone')
    const isFor = searchParams.get('x-id') === (method === 'GET' ? 'GetObject' : 'PutObject')
    if (!isFor || !searchParams.has('X-Amz-Signature')) throw new Refused(`S3 refuses ${method}`)
    return objectAt(world, method, `http://signed.example.com${pathname}?method=${method}&${SECRET}`, body)
  }
  return {
    async get(url: string) {
      try {
        return await object('GET', url)
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchKey') return undefined
        throw error
      }
    },
    put: async (url: string, body: Buffer) => void (await object('PUT', url, body)),
  }
}
