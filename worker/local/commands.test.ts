// The commands, as a person types them.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AUDIENCE, REQUEST, refusal, signAnswer, startEndpoint } from '../test/endpoint.ts'
import { KEY_NAMES, type Keys, readKeys } from './key-pairs.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-commands-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

function start(name: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [path.join(import.meta.dirname, `${name}.ts`), ...args], {
    env: {
      PATH: process.env.PATH,
      TERRACE_TEST_RUN: process.env.TERRACE_TEST_RUN,
      TERRACE_HOME: home,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function run(name: string, args: readonly string[], env?: Record<string, string>) {
  const child = start(name, args, env)
  const out = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      out[stream] += text
    })
  await once(child, 'close')
  return { code: child.exitCode, ...out }
}

describe('worker:keys', () => {
  const folder = () => path.join(home, 'model-endpoint')
  const names = (keys: Keys | null, of: 'TOKEN_KEYS' | 'LLAMMA_RECEIPT_KEYS') =>
    keys?.[of].keys.map(({ kid }) => kid)

  test('writes each key for its owner only, and says where it belongs', async () => {
    const { code, stdout, stderr } = await run('keys', [])
    expect([code, stdout]).toEqual([0, ''])
    for (const name of KEY_NAMES) {
      expect(stderr).toContain(name)
      expect(statSync(path.join(folder(), name)).mode & 0o777).toBe(0o600)
    }
    expect(statSync(folder()).mode & 0o777).toBe(0o700)
    expect(readdirSync(folder()).sort()).toEqual([...KEY_NAMES].sort())
    const keys = readKeys(folder())
    expect(stderr).not.toContain(String(keys?.LLAMMA_SIGNING_KEY.d))
    // Whoever has the public ones can't sign.
    for (const jwk of [...(keys?.TOKEN_KEYS.keys ?? []), ...(keys?.LLAMMA_RECEIPT_KEYS.keys ?? [])])
      expect(jwk).not.toHaveProperty('d')
    expect(names(keys, 'TOKEN_KEYS')).toEqual([keys?.LLAMMA_SIGNING_KEY.kid])
    expect(names(keys, 'LLAMMA_RECEIPT_KEYS')).toEqual([keys?.RECEIPT_KEY.kid])
  })

  test('never takes keys away by accident', async () => {
    await run('keys', [])
    const before = readKeys(folder())
    const again = await run('keys', [])
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('--rotate')])
    expect(readKeys(folder())).toEqual(before)
    rmSync(path.join(folder(), 'RECEIPT_KEY'))
    expect((await run('keys', [])).code).toBe(1)
    expect(readKeys.bind(null, folder())).toThrow(/RECEIPT_KEY/)
  })

  test('rotates: the new public key first, the one before beside it, none older', async () => {
    expect((await run('keys', ['--rotate'])).code).toBe(1)
    await run('keys', [])
    const first = readKeys(folder())
    const { code, stderr } = await run('keys', ['--rotate'])
    expect([code, stderr]).toEqual([0, expect.stringContaining('In this order')])
    const second = readKeys(folder())
    expect(names(second, 'TOKEN_KEYS')).toEqual([
      second?.LLAMMA_SIGNING_KEY.kid,
      first?.LLAMMA_SIGNING_KEY.kid,
    ])
    expect(names(second, 'LLAMMA_RECEIPT_KEYS')).toEqual([second?.RECEIPT_KEY.kid, first?.RECEIPT_KEY.kid])
    await run('keys', ['--rotate'])
    const third = readKeys(folder())
    expect(names(third, 'TOKEN_KEYS')).toEqual([
      third?.LLAMMA_SIGNING_KEY.kid,
      second?.LLAMMA_SIGNING_KEY.kid,
    ])
    expect(statSync(path.join(folder(), 'RECEIPT_KEY')).mode & 0o777).toBe(0o600)
  })

  test('prints them instead, for a store of secrets, and leaves no file', async () => {
    const { code, stdout } = await run('keys', ['--stdout'])
    expect(code).toBe(0)
    const lines = stdout.trim().split('\n')
    expect(lines.map((line) => line.split('=')[0])).toEqual([...KEY_NAMES])
    for (const line of lines) expect(JSON.parse(line.slice(line.indexOf('=') + 1))).toBeTypeOf('object')
    expect(readKeys(folder())).toBeNull()
  })
})

describe('worker:token', () => {
  test('makes a token for the endpoint, and takes it back', async () => {
    await run('keys', [])
    const keys = readKeys(path.join(home, 'model-endpoint'))
    if (keys === null) throw new Error('no keys')
    // Here the endpoint is reached by the address that it calls its own.
    await using endpoint = await startEndpoint({ keys, bindings: { AUDIENCE } })
    const made = await run('token', [
      '--name',
      'nightly',
      '--endpoint',
      AUDIENCE,
      '--days',
      '7',
      '--max-tokens',
      '30',
    ])
    const token = made.stdout.trim()
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [...keys.TOKEN_KEYS.keys] }))
    expect(payload).toMatchObject({ aud: AUDIENCE, sub: 'nightly', max_tokens: 30 })
    expect(Number(payload.exp) - Number(payload.iat)).toBe(7 * 86_400)
    expect((await endpoint.post(REQUEST, { token })).status).toBe(200)
    expect(endpoint.requests.at(-1)?.input.max_tokens).toBe(30)
    expect(made.stderr).toContain(`--revoke ${payload.jti}`)
    // The key of the environment counts more than the folder's.
    const env = {
      LLAMMA_SIGNING_KEY: JSON.stringify(keys.LLAMMA_SIGNING_KEY),
      TERRACE_HOME: path.join(home, 'empty'),
    }
    const other = await run('token', ['--name', 'x', '--endpoint', AUDIENCE], env)
    expect((await endpoint.post(REQUEST, { token: other.stdout.trim() })).status).toBe(200)
  })

  test('takes a token back at the endpoint', async () => {
    await run('keys', [])
    const keys = readKeys(path.join(home, 'model-endpoint'))
    if (keys === null) throw new Error('no keys')
    const dev = await startDev(['--scripted'])
    try {
      const { stdout } = await run('token', ['--name', 'nightly', '--endpoint', dev.url])
      const token = stdout.trim()
      const ask = () =>
        fetch(dev.url, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}` },
          body: JSON.stringify({ prompt: 'x' }),
        })
      expect((await ask()).status).toBe(200)
      const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
        jti: string
      }
      const revoked = await run('token', ['--revoke', jti, '--endpoint', dev.url])
      expect([revoked.code, revoked.stderr]).toEqual([0, `${jti} is refused from now on.\n`])
      expect(await refusal(await ask())).toEqual([401, 'TOKEN_REVOKED'])
    } finally {
      await dev.end()
    }
    const gone = await run('token', ['--revoke', 'x', '--endpoint', dev.url])
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('still valid')])
  })

  test('says what is missing', async () => {
    const name = ['--name', 'x']
    const at = ['--endpoint', AUDIENCE]
    expect((await run('token', name)).stderr).toContain('For which endpoint?')
    expect((await run('token', [...name, ...at])).stderr).toContain('npm run worker:keys')
    const env = { LLAMMA_SIGNING_KEY: '{"kty": "OKP"}' }
    expect((await run('token', [...name, ...at], env)).stderr).toContain('is not a private key')
    await run('keys', [])
    expect((await run('token', at)).stderr).toContain('What is the token for?')
    for (const days of ['0', '1.5', 'x', '1000'])
      expect((await run('token', [...name, ...at, '--days', days])).code).toBe(1)
  })
})

interface Dev {
  readonly url: string
  readonly stdout: string
  readonly pid: number
  end(): Promise<number | null>
}

async function startDev(args: readonly string[], env: Record<string, string> = {}): Promise<Dev> {
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const child = start('dev', [...args, '--port', String(port)], env)
  let stdout = ''
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  await expect
    .poll(
      () => {
        if (child.exitCode !== null) throw new Error(stderr)
        return stdout
      },
      { timeout: 60_000 },
    )
    .toContain('"prompt"')
  return {
    url: `http://127.0.0.1:${port}`,
    stdout,
    pid: child.pid ?? 0,
    async end() {
      const closed = once(child, 'close')
      child.kill('SIGTERM')
      await closed
      return child.exitCode
    },
  }
}

/** Those below a process, with their command lines (Linux). */
function descendants(pid: number): { pid: number; command: string }[] {
  const parentOf = (id: string) => readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]
  return readdirSync('/proc')
    .filter((id) => {
      try {
        return /^\d+$/.test(id) && parentOf(id) === String(pid)
      } catch {
        return false
      }
    })
    .flatMap((id) => [
      { pid: Number(id), command: readFileSync(`/proc/${id}/cmdline`, 'utf8') },
      ...descendants(Number(id)),
    ])
}

/** A process that nobody has waited for yet is dead all the same. */
function alive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

describe('worker:dev', () => {
  test('is the endpoint, with a model that says it is scripted; Ctrl-C ends all of it', async () => {
    const dev = await startDev(['--scripted'])
    expect(dev.stdout).toContain('scripted answers as llama-3-8b')
    const token = /Bearer (\S+?)'/.exec(dev.stdout)?.[1] ?? ''
    const reply = await fetch(dev.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, origin: 'http://localhost:3000' },
      body: '{"prompt": "What is a terrace?"}',
    })
    expect(reply.headers.get('terrace-provider-model')).toBe('scripted')
    expect(reply.headers.get('access-control-allow-origin')).toBe('http://localhost:3000')
    expect(await reply.json()).toMatchObject({ response: expect.stringContaining('scripted') })
    const running = process.platform === 'linux' ? descendants(dev.pid) : []
    if (process.platform === 'linux')
      expect(running.map(({ command }) => command).join()).toContain('workerd.capnp')
    expect(await dev.end()).toBe(0)
    for (const { pid } of running) expect(() => process.kill(pid, 0)).toThrow()
    await expect(fetch(dev.url)).rejects.toThrow()
  })

  test.runIf(process.platform === 'linux')('leaves nothing behind when it is killed', async () => {
    const dev = await startDev(['--scripted'])
    const running = descendants(dev.pid)
    process.kill(dev.pid, 'SIGKILL')
    for (const { pid } of running) await expect.poll(() => alive(pid)).toBe(false)
  })

  test('forwards to any OpenAI-compatible server, with its key', async () => {
    await using model = await startEndpoint({
      models: { 'some-model': ['scripted?dialect=openai&text=Forwarded.'] },
    })
    const key = (await model.script()).token
    const dev = await startDev(['--model-url', `${model.url}/v1`, '--model', 'some-model'], {
      MODEL_API_KEY: key,
    })
    try {
      const keys = readKeys(path.join(home, 'model-endpoint'))
      if (keys === null) throw new Error('no keys')
      const token = await signAnswer(keys.LLAMMA_SIGNING_KEY, REQUEST, { aud: dev.url })
      const reply = await fetch(`${dev.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify(REQUEST),
      })
      expect(await reply.json()).toMatchObject({
        choices: [{ message: { content: 'Forwarded.' } }],
        usage: { completion_tokens: 1 },
        receipt: expect.any(String),
      })
      expect(reply.headers.get('terrace-provider-model')).toBe('some-model')
      expect(model.requests.at(-1)?.input.messages).toEqual(REQUEST.messages)
    } finally {
      await dev.end()
    }
  })

  test('wants to know which model answers', async () => {
    for (const args of [[], ['--model-url', 'x', '--model', 'y'], ['--model-url', 'http://localhost:1/v1']])
      expect((await run('dev', args)).stderr).toContain('Which model answers?')
  })
})
