import { afterEach, expect, test, vi } from 'vitest'
import { servicePrograms } from './services.ts'
import { readSettings } from './settings.ts'

afterEach(() => vi.unstubAllEnvs())

test('the web server is given no secret, whatever the shell has; the API has what MODELS names', () => {
  vi.stubEnv('MODELS', '[{"key":"env:LLAMA_KEY"}]')
  vi.stubEnv('LLAMA_KEY', 'a secret')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'a secret')
  vi.stubEnv('NEXT_PUBLIC_LLAMMA_ENDPOINT', 'https://model.example')
  const { api, web } = servicePrograms({
    settings: readSettings(process.env),
    databaseUrl: 'a secret',
    authSecret: 'a secret',
    setupToken: 'a secret',
    modelDir: '/nowhere',
    webDir: '/nowhere',
  })
  expect(Object.values(web.env ?? {})).not.toContain('a secret')
  expect(web.env).toMatchObject({
    NEXT_PUBLIC_LLAMMA_ENDPOINT: 'https://model.example',
    API_URL: expect.any(String),
  })
  expect(api.env).toMatchObject({ LLAMA_KEY: 'a secret' })
})
