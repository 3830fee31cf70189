// What is deployed: made by wrangler, small, and with nothing in it that belongs to this side.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, inject, test } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '../..')

test('the bundle has at most 150 kB', () => {
  const { file, bytes } = inject('workerBundle')
  expect(bytes).toBeLessThanOrEqual(150_000)
  expect(readFileSync(file)).toHaveLength(bytes)
})

test('the bundle needs nothing of Node', () => {
  const bundle = readFileSync(inject('workerBundle').file, 'utf8')
  expect(bundle).not.toMatch(/from "node:|require\("|process\.env/)
})

test('npm run worker:deploy tries it out first, and needs no account for that', () => {
  const home = path.join(path.dirname(inject('workerBundle').file), 'home')
  const deploy = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(ROOT, 'worker/local/deploy.ts'), ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: home },
    })
  const dry = deploy(
    '--dry-run',
    '--audience',
    'https://models.example.org/',
    '--origins',
    'https://a.example.org',
  )
  expect([dry.status, dry.stdout]).toEqual([0, expect.stringMatching(/^The Worker is \d+ kB\.\n$/)])
  expect(existsSync(home)).toBe(false)
  const wrong = deploy('--dry-run', '--audience', 'http://models.example.org')
  expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('is no https address')])
  expect(deploy('--dry').status).toBe(1)
})

test('what an installation sets for itself is not in the configuration', () => {
  const { vars, compatibilityFlags } = inject('workerConfiguration')
  for (const name of ['AUDIENCE', 'ALLOWED_ORIGINS', 'TOKEN_KEYS', 'RECEIPT_KEY'])
    expect(vars).not.toHaveProperty(name)
  expect(Object.keys(Object(vars.MODELS))[0]).toBe('llama-3-8b')
  expect(Object(vars.MODELS)['llama-3-8b'][0]).toBe('@cf/meta/llama-3.1-8b-instruct-fast')
  expect(compatibilityFlags).toContain('enable_request_signal')
})
