import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { servicePrograms } from './services.ts'
import { readSettings } from './settings.ts'

afterEach(() => vi.unstubAllEnvs())

const inputs = () => ({
  settings: readSettings(process.env),
  databaseUrl: 'a secret',
  authSecret: 'a secret',
  setupToken: 'a secret',
  modelDir: '/nowhere',
  webDir: '/nowhere',
})

test('the web server is given no secret, whatever the shell has; the API has what MODELS names', () => {
  vi.stubEnv('MODELS', '[{"key":"env:LLAMA_KEY"}]')
  vi.stubEnv('LLAMA_KEY', 'a secret')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'a secret')
  vi.stubEnv('NEXT_PUBLIC_LLAMMA_ENDPOINT', 'https://model.example')
  const { api, web } = servicePrograms(inputs())
  expect(Object.values(web.env ?? {})).not.toContain('a secret')
  expect(web.env).toMatchObject({
    NEXT_PUBLIC_LLAMMA_ENDPOINT: 'https://model.example',
    API_URL: expect.any(String),
  })
  expect(api.env).toMatchObject({ LLAMA_KEY: 'a secret' })
})

test('the API finds the keys of the model endpoint where the command put it, and nobody else is given it', () => {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-services-'))
  mkdirSync(path.join(home, 'model-endpoint'))
  writeFileSync(path.join(home, 'model-endpoint/LLAMMA_SIGNING_KEY'), 'its key')
  writeFileSync(path.join(home, 'model-endpoint/LLAMMA_RECEIPT_KEYS'), 'its public keys')
  vi.stubEnv('TERRACE_HOME', home)
  vi.stubEnv('LLAMMA_SIGNING_KEY', '')
  const keyOf = () => servicePrograms(inputs()).api.env?.LLAMMA_SIGNING_KEY
  expect(keyOf()).toBe('')
  vi.stubEnv('LLAMMA_ENDPOINT', 'https://model.example')
  expect(keyOf()).toBe('its key')
  const { ingest, web } = servicePrograms(inputs())
  expect([...Object.values(ingest.env ?? {}), ...Object.values(web.env ?? {})]).not.toContain('its key')
  vi.stubEnv('LLAMMA_ENDPOINT', '')
  expect(keyOf()).toBe('')
  vi.stubEnv('NEXT_PUBLIC_LLAMMA_ENDPOINT', 'https://model.example')
  expect(servicePrograms(inputs()).api.env).toMatchObject({
    LLAMMA_SIGNING_KEY: 'its key',
    LLAMMA_RECEIPT_KEYS: 'its public keys',
  })
  vi.stubEnv('LLAMMA_SIGNING_KEY', 'another')
  expect(keyOf()).toBe('another')
  rmSync(home, { recursive: true })
})
