// Finds the newest package of an agent, and writes down what it is: version, address, hash. Nothing is taken on trust of
// its address alone: the signature beside it has to be good, by the very key whose fingerprint AWS publishes.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { $ } from 'zx'
import { sha256 } from '../../local/models/weights.ts'
import { Problem } from '../../local/problem.ts'
import { type Agent, isFrom, type Pin } from './agents.ts'

export interface Signer {
  /** File with the key; undefined: it is fetched from where the agent says. */
  readonly keyFile: string | undefined
  /** 40 hex digits, as AWS publishes it. */
  readonly fingerprint: string
}

const SILENCE_MS = 60_000

/** @throws Problem when something can't be had, the signature is not good, or the version is too old */
export async function pinAgent(agent: Agent, signer: Signer): Promise<Pin> {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-pin-'))
  try {
    const at = (name: string) => path.join(folder, name)
    const key = signer.keyFile ?? (await save(required(agent), at('key')))
    const latest = await save(agent.latest, at('latest.deb'))
    await verify(latest, await save(`${agent.latest}.sig`, at('latest.sig')), key, signer.fingerprint, folder)
    const version = await versionOf(latest, agent.package)
    if (!isFrom(version, agent.from))
      throw new Problem(
        `${agent.package} is at ${version}, and an image needs ${agent.from} or later.`,
        'Look at its release notes.',
      )
    // What is called the newest changes with every release: what is written down is the address of this one.
    const url = agent.of(version)
    const digest = await sha256(await save(url, at('version.deb')))
    if (digest !== (await sha256(latest)))
      throw new Problem(
        `${url} is not what is signed as the newest ${agent.package}.`,
        'Run it again: a release may be under way.',
      )
    return { version, url, sha256: digest, bytes: statSync(latest).size, signedBy: signer.fingerprint }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function required(agent: Agent): string {
  if (agent.key !== undefined) return agent.key
  throw new Problem(
    `AWS has the key that signs ${agent.package} on a page only: ${agent.page}`,
    'Save it into a file, and name that file and the fingerprint which that page gives (--ssm-key FILE --ssm-fingerprint HEX).',
  )
}

async function save(url: string, to: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10 * SILENCE_MS) })
    if (response.status !== 200) throw new Error(`it answers ${response.status}`)
    writeFileSync(to, Buffer.from(await response.arrayBuffer()))
    return to
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause : cause).message : ''
    throw new Problem(
      `${url} could not be fetched: ${reason}.`,
      'This needs a machine that reaches Amazon’s S3.',
      {
        cause,
      },
    )
  }
}

/** @throws Problem unless a key of exactly that fingerprint has signed it, and is still good */
async function verify(file: string, signature: string, key: string, fingerprint: string, folder: string) {
  const home = path.join(folder, 'gnupg')
  const run = $({ quiet: true, nothrow: true })
  await run`install --directory --mode=0700 ${home}`
  const gpg = ['--homedir', home, '--batch', '--no-auto-key-retrieve', '--status-fd', '1']
  const imported = await run`gpg ${gpg} --import ${key}`
  const checked = await run`gpg ${gpg} --verify ${signature} ${file}`
  await run`gpgconf --homedir ${home} --kill all`
  const lines = checked.stdout.split('\n')
  // VALIDSIG … PRIMARY-KEY-FINGERPRINT; GOODSIG is said of no key that has expired or was revoked.
  const signers = lines.flatMap((line) => /^\[GNUPG:\] VALIDSIG .* ([0-9A-F]{40})$/.exec(line)?.[1] ?? [])
  const isGood = lines.some((line) => line.startsWith('[GNUPG:] GOODSIG '))
  if (checked.exitCode === 0 && isGood && signers.length === 1 && signers[0] === fingerprint) return
  const said = `${imported.stderr}${checked.stderr}`.trim().split('\n').slice(-3).join('; ')
  throw new Problem(
    `The signature of ${path.basename(file)} is not one by ${fingerprint}: ${said || 'gpg said nothing'}.`,
    'Nothing was written. Compare the fingerprint with the one that AWS publishes; never go on without it.',
  )
}

async function versionOf(file: string, name: string): Promise<string> {
  const { stdout } = await $({ quiet: true })`dpkg-deb --field ${file} Package Version Architecture`
  const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(stdout)?.[1]
  const version = field('Version')?.replace(/-\d+$/, '')
  if (field('Package') === name && field('Architecture') === 'amd64' && version !== undefined) return version
  throw new Problem(
    `What is signed is no ${name} for amd64: ${stdout.trim().replaceAll('\n', ', ')}.`,
    'Nothing was written.',
  )
}

/** Writes the file of pins as a whole. */
export function writePins(file: string, pins: object): void {
  const was = readFileSync(file, 'utf8')
  const text = `${JSON.stringify(pins, null, 2)}\n`
  if (text !== was) writeFileSync(file, text)
}
