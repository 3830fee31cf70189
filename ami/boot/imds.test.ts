// The metadata's rules, in the stub, and what the client makes of them.
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createImds } from './imds.ts'
import { serveImds } from './imds-stub.ts'
import { createWorld, type World } from './test/world.ts'

let world: World
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const TTL = 'x-aws-ec2-metadata-token-ttl-seconds'
const TOKEN = 'x-aws-ec2-metadata-token'
const ask = (where: string, init?: RequestInit) => fetch(`${world.endpoint}${where}`, init)
const takeToken = async (seconds: string) =>
  await ask('/latest/api/token', { method: 'PUT', headers: { [TTL]: seconds } })

describe('the stub', () => {
  test('says nothing without a token, or with one that is over or somebody else’s', async () => {
    expect((await ask('/latest/user-data')).status).toBe(401)
    const token = await (await takeToken('60')).text()
    const read = async (token: string) =>
      (await ask('/latest/meta-data/instance-id', { headers: { [TOKEN]: token } })).status
    expect(await read(token)).toBe(200)
    expect(await read(`${token.slice(0, -1)}?`)).toBe(401)
    await using other = await serveImds({ instance: () => world.instance })
    const foreign = await fetch(`${other.endpoint}/latest/api/token`, {
      method: 'PUT',
      headers: { [TTL]: '60' },
    })
    expect(await read(await foreign.text())).toBe(401)
    await world.aws.clock.sleep(60_000)
    expect(await read(token)).toBe(401)
  })

  test('gives tokens for a second to six hours, and none through a proxy', async () => {
    for (const seconds of ['0', '21601', 'long', '']) expect((await takeToken(seconds)).status).toBe(400)
    for (const seconds of ['1', '21600']) expect((await takeToken(seconds)).status).toBe(200)
    const headers = { [TTL]: '60', 'x-forwarded-for': '10.0.0.1' }
    expect((await ask('/latest/api/token', { method: 'PUT', headers })).status).toBe(403)
    expect((await ask('/latest/api/token', { headers })).status).toBe(403)
    expect((await ask('/api/token', { method: 'PUT', headers: { [TTL]: '60' } })).status).toBe(404)
  })

  test('serves one connection on stdin and stdout, each a process, with each other’s tokens', async () => {
    const file = path.join(world.folder, 'instance.json')
    await writeFile(file, JSON.stringify({ userData: 'hello', id: 'i-1' }))
    const once = async (request: string): Promise<string> => {
      const stub = spawn(process.execPath, [path.join(import.meta.dirname, 'imds-stub.ts'), file], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      stub.stdin.write(`${request}\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n`)
      const chunks: Buffer[] = []
      for await (const chunk of stub.stdout) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    }
    const put = await once(`PUT /latest/api/token HTTP/1.1\r\n${TTL}: 60`)
    expect(put).toMatch(/^HTTP\/1.1 200 /)
    const [, token = ''] = /\r\n\r\n(?:[0-9a-f]+\r\n)?(\S+)/.exec(put) ?? []
    const got = await once(`GET /latest/user-data HTTP/1.1\r\n${TOKEN}: ${token}`)
    expect(got).toMatch(/^HTTP\/1.1 200 [\s\S]*hello/)
    expect(await once('GET /latest/user-data HTTP/1.1')).toMatch(/^HTTP\/1.1 401 /)
  })
})

describe('the client', () => {
  test('reads, and tells what is not there from what is empty', async () => {
    world.instance.userData = ''
    expect(await world.imds.get('user-data')).toBe('')
    expect(await world.imds.get('meta-data/instance-id')).toBe(world.instance.id)
    expect(await world.imds.get('meta-data/spot/instance-action')).toBeUndefined()
  })

  test('takes a new token when its own has come to an end, or is refused', async () => {
    const asked: string[] = []
    world.faults.of = (method, where) => {
      asked.push(`${method} ${where}`)
      return undefined
    }
    const tokens = () => asked.filter((one) => one.startsWith('PUT')).length
    for (const _ of [1, 2, 3]) await world.imds.get('user-data')
    expect(tokens()).toBe(1)
    await world.aws.clock.sleep(6 * 3_600_000 - 30_000)
    await world.imds.get('user-data')
    expect(tokens()).toBe(2)
    // A machine that was stopped, and started elsewhere: what it had is not known there.
    let renewed = false
    world.faults.of = (method) => {
      renewed ||= method === 'PUT'
      return renewed ? undefined : { kind: 'status', status: 401 }
    }
    expect(await world.imds.get('meta-data/instance-id')).toBe(world.instance.id)
  })

  test.each([
    ['busy', { kind: 'status', status: 503 }],
    ['not there yet', { kind: 'cut' }],
    ['slow', { kind: 'slow', ms: 60_000 }],
  ] as const)('tries again while they are %s', async (_, fault) => {
    let met = 0
    world.faults.of = () => (++met <= 3 ? fault : undefined)
    const imds = createImds({ clock: world.aws.clock, endpoint: world.endpoint, answerMs: 100 })
    expect(await imds.get('meta-data/instance-id')).toBe(world.instance.id)
    expect(met).toBeGreaterThan(3)
  })

  test('gives up with a sentence that says what it may be', async () => {
    world.faults.of = () => ({ kind: 'status', status: 403 })
    await expect(world.imds.get('user-data')).rejects.toThrow(/do not say user-data: .*switched off/)
    world.faults.of = () => ({ kind: 'cut' })
    await expect(world.imds.get('user-data')).rejects.toThrow('can not be reached')
  })
})
