import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { parseConfig } from '../config.ts'
import { createModels } from './registry.ts'

const loaded = vi.hoisted(() => new Set<string>())
vi.mock('@ai-sdk/amazon-bedrock', async (original) => {
  loaded.add('provider')
  return original()
})
vi.mock('@aws-sdk/credential-provider-node', async (original) => {
  loaded.add('credentials')
  return original()
})

const start = (models: object[]) =>
  createModels(
    parseConfig({
      DATABASE_URL: 'postgresql://unused',
      STORAGE: 'file:/tmp/unused',
      AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
      MODELS: JSON.stringify(models),
    }),
    pino({ level: 'silent' }),
  )

it('what asks Bedrock is loaded where a model of it is configured, and nowhere else', async () => {
  const other = { id: 'o', name: 'O', type: 'openai-compatible', url: 'http://127.0.0.1:1/v1', model: 'o' }
  const without = start([other])
  await without.list()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(loaded).toEqual(new Set())
  const bedrock = { id: 'b', name: 'B', type: 'bedrock', model: 'a.model-v1:0', region: 'eu-central-1' }
  const models = start([other, bedrock])
  await expect.poll(() => loaded).toEqual(new Set(['provider', 'credentials']))
  await Promise.all([without.close(), models.close()])
})
