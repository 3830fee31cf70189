// Packages of Amazon's agents: written down only when the right key has signed them, taken only when they are what was
// written down, and nothing of them but what is named.
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AGENTS, type Agent, isFrom, type Pin } from './agents.ts'
import { fetchAgents, installAgent } from './install.ts'
import { pinAgent } from './pin.ts'
import { readPins, requireAgents } from './pins.ts'
import { type Amazon, HAS_TOOLS, makeKey, makePackage, serveAmazon, type TestKey } from './test/amazon.ts'

const FILES = Object.fromEntries(
  Object.keys(AGENTS.cloudwatch.files).map((file) => [file, '#!/bin/sh\necho agent\n']),
)
const VERSION = '1.300071.0b1500'

let folder: string
let amazon: Amazon
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-agents-'))
  amazon = await serveAmazon()
})
afterEach(async () => {
  await amazon[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
function pinOf(bytes: Buffer, place = '/agent.deb'): Pin {
  amazon.served.set(place, bytes)
  return {
    version: VERSION,
    url: `${amazon.url}${place}`,
    sha256: digest(bytes),
    bytes: bytes.length,
    signedBy: '0'.repeat(40),
  }
}
/** Without any of its own files: they are looked at elsewhere. */
const bytesOf = (text: string) => Buffer.from(text)

describe('the file of pins', () => {
  const write = (value: unknown) => {
    const file = path.join(folder, 'pins.json')
    writeFileSync(file, JSON.stringify(value))
    return file
  }
  const pin = () => pinOf(bytesOf('x'))

  test('of this checkout can be read', () => {
    expect(() => readPins()).not.toThrow()
  })
  test.each([
    ['a hash that is none', () => ({ cloudwatch: { ...pin(), sha256: 'abc' } }), 'cloudwatch.sha256 is not'],
    ['something else in it', () => ({ cloudwatch: { ...pin(), note: 1 } }), 'cloudwatch'],
    ['nothing that it should have', () => 'x', 'does not say which agents'],
  ])('with %s is refused', (_what, value, why) => {
    expect(() => readPins(write(value()))).toThrow(why)
  })
  test('with an agent that can’t read the journal yet is refused', () => {
    const old = { cloudwatch: { ...pin(), version: '1.300069.0b1400' } }
    expect(() => readPins(write(old))).toThrow('needs 1.300070.0 or later')
    expect(isFrom('1.300070.0b1', '1.300070.0')).toBe(true)
    expect(isFrom('1.300100.0', '1.300070.0')).toBe(true)
    expect(isFrom('1.29', '1.300070.0')).toBe(false)
  })
  test('that lacks one is for tests only', () => {
    expect(() => requireAgents({})).toThrow('no amazon-cloudwatch-agent and no amazon-ssm-agent')
    expect(() => requireAgents({ cloudwatch: pin() })).toThrow(/no amazon-ssm-agent.*is not uploaded/)
    expect(() => requireAgents({ cloudwatch: pin(), ssm: pin() })).not.toThrow()
  })
})

describe('a package is fetched', () => {
  test('once, and again when the one that is there is another', async () => {
    const pins = { cloudwatch: pinOf(bytesOf('the package')) }
    const [first] = await fetchAgents(pins, folder)
    expect(readFileSync(first?.file ?? '', 'utf8')).toBe('the package')
    await fetchAgents(pins, folder)
    expect(amazon.asked).toEqual(['/agent.deb'])
    writeFileSync(first?.file ?? '', 'something else')
    await fetchAgents(pins, folder)
    expect(readFileSync(first?.file ?? '', 'utf8')).toBe('the package')
  })

  test.each([
    [
      'is another than the pinned one',
      bytesOf('the pack4ge'),
      /SHA-256 differs.*changed there is not taken/s,
    ],
    ['is longer than that', bytesOf('the package and more'), /longer than the pinned one/],
    ['is not there', undefined, /amazon-cloudwatch-agent 1\.300071\.0b1500 could not be fetched from 127/],
  ])('and refused when what comes %s; nothing is left of it', async (_what, bytes, why) => {
    const pins = { cloudwatch: pinOf(bytesOf('the package')) }
    if (bytes === undefined) amazon.served.clear()
    else amazon.served.set('/agent.deb', bytes)
    const refused = await fetchAgents(pins, folder).catch((error) => `${error.message} ${error.wayOut}`)
    expect(refused).toMatch(why)
    expect(existsSync(path.join(folder, `amazon-cloudwatch-agent-${pins.cloudwatch.sha256}.deb`))).toBe(false)
  })
})

describe.runIf(HAS_TOOLS && process.getuid?.() === 0)('a package in a root', () => {
  const inRoot = (files: Readonly<Record<string, string>>) => {
    const file = path.join(folder, 'agent.deb')
    const script = `touch ${path.join(folder, 'script-ran')}`
    const bytes = makePackage('amazon-cloudwatch-agent', `${VERSION}-1`, files, script)
    writeFileSync(file, bytes)
    const root = path.join(folder, 'root')
    mkdirSync(path.join(root, 'usr/lib'), { recursive: true })
    // As every Debian has it: an archive with a folder of that name would take its place.
    symlinkSync('usr/lib', path.join(root, 'lib'))
    const made = installAgent({ name: 'cloudwatch', pin: pinOf(bytes), file }, root)
    return { root, made }
  }

  test('lays there what an image needs, and nothing else; its scripts are not run', async () => {
    const { root, made } = inRoot({ ...FILES, '/lib/systemd/system/its-own.service': '[Unit]\n' })
    await made
    const [program = ''] = Object.keys(FILES)
    const about = statSync(path.join(root, program))
    expect([about.mode & 0o777, about.uid, about.gid]).toEqual([0o755, 0, 0])
    expect(existsSync(path.join(root, 'usr/lib/systemd'))).toBe(false)
    expect(statSync(path.join(root, 'lib')).ino).toBe(statSync(path.join(root, 'usr/lib')).ino)
    expect(existsSync(path.join(folder, 'script-ran'))).toBe(false)
  })

  test('that lacks a file is refused by its name', async () => {
    const { made } = inRoot({ '/opt/elsewhere': 'x' })
    await expect(made).rejects.toThrow('has no /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent')
  })
})

describe.runIf(HAS_TOOLS)('what is written down', () => {
  let own: TestKey
  let other: TestKey
  beforeAll(() => {
    own = makeKey('amazon')
    other = makeKey('somebody')
  })
  afterAll(() => {
    for (const key of [own, other]) key[Symbol.dispose]()
  })
  const real = makePackage('amazon-cloudwatch-agent', `${VERSION}-1`, FILES)
  const served = (bytes = real, signature = own.sign(bytes)) => {
    amazon.served.set('/latest.deb', bytes)
    amazon.served.set('/latest.deb.sig', signature)
    amazon.served.set('/key', own.publicKey)
    amazon.served.set(`/${VERSION}.deb`, real)
  }
  const agent = (): Agent => ({
    ...AGENTS.cloudwatch,
    latest: `${amazon.url}/latest.deb`,
    of: (version) => `${amazon.url}/${version}.deb`,
    key: `${amazon.url}/key`,
  })
  const pin = (fingerprint = own.fingerprint) => pinAgent(agent(), { keyFile: undefined, fingerprint })

  test('is the address of its version, with the hash of what was signed', async () => {
    served()
    expect(await pin()).toEqual({
      version: VERSION,
      url: `${amazon.url}/${VERSION}.deb`,
      sha256: digest(real),
      bytes: real.length,
      signedBy: own.fingerprint,
    })
  })

  test.each<[string, () => void, string, (() => string)?]>([
    ['nobody has signed', () => served(real, Buffer.from('no signature')), 'is not one by'],
    [
      'was changed since',
      () => served(Buffer.concat([real, Buffer.from('x')]), own.sign(real)),
      'is not one by',
    ],
    ['another key has signed', () => served(real, other.sign(real)), 'is not one by'],
    ['is signed, by another key than AWS says', () => served(), 'is not one by', () => other.fingerprint],
    ['is not there', () => {}, 'could not be fetched: it answers 404'],
    [
      'is another package',
      () => served(makePackage('amazon-ssm-agent', `${VERSION}-1`, FILES)),
      'is no amazon-cloudwatch-agent for amd64',
    ],
    [
      'can’t read the journal',
      () => served(makePackage('amazon-cloudwatch-agent', '1.300069.0b1-1', FILES)),
      'needs 1.300070.0 or later',
    ],
    [
      'is another one at the address of its version',
      () => {
        served()
        amazon.served.set(`/${VERSION}.deb`, Buffer.from('x'))
      },
      'is not what is signed',
    ],
  ])('is nothing that %s', async (_what, serve, why, fingerprint) => {
    serve()
    await expect(pin(fingerprint?.())).rejects.toThrow(why)
  })

  test('is nothing of a key that AWS has on a page only, until somebody names its file', async () => {
    served()
    const asked = pinAgent(
      { ...agent(), key: undefined },
      { keyFile: undefined, fingerprint: own.fingerprint },
    )
    await expect(asked).rejects.toThrow('on a page only')
    const keyFile = path.join(folder, 'key.asc')
    writeFileSync(keyFile, own.publicKey)
    const made = await pinAgent({ ...agent(), key: undefined }, { keyFile, fingerprint: own.fingerprint })
    expect(made.version).toBe(VERSION)
  })
})
