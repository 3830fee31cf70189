// The processes of a server as units start them: one of them writes metrics, from its start to its end.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { emfLines } from '../../../contract/emf.schema.ts'
import { sumOf, valuesOf } from '../../test/metrics.ts'
import { startProduct } from '../../test/product.ts'
import { startScriptedModel } from '../../test/scripted-model.ts'

test('a file is read, a question answered, the server stopped: all of it is told, by the API’s process', async () => {
  await using scripted = await startScriptedModel()
  const model = { id: 'm', name: 'M', type: 'openai-compatible', url: scripted.url, model: 'scripted?' }
  await using product = await startProduct({
    env: { MODELS: JSON.stringify([model]), TERRACE_STAGE: 'test', LOG_LEVEL: 'info' },
  })
  const { api, fetch, subscribe } = await product.person()
  const { id } = await api.collections.create.mutate({ name: 'Handbook' })
  const text = 'To hold a package at its present version, run apt-mark hold with its name.'
  await fetch(`/files?collection=${id}&name=a.txt`, { method: 'PUT', body: text })
  const stage = async () =>
    (await product.db.pool.query('SELECT stage FROM document_versions')).rows[0]?.stage
  while ((await stage()) !== 'words') await sleep(50)
  const chat = await api.chats.create.mutate({ collectionIds: [id] })
  const { answerId } = await api.chats.ask.mutate({
    ...{ chatId: chat.id, text: 'How do I hold a package?', requestId: crypto.randomUUID() },
  })
  let state = ''
  for await (const { event, data } of subscribe('chats.watch', { answerId })) {
    const heard = data as { type: string; state: string }
    if (event !== 'message' || heard.type !== 'end') continue
    state = heard.state
    break
  }
  expect(state).toBe('done')
  expect(scripted.requests.length).toBe(1)
  await product.api.kill('SIGTERM')
  const lines = emfLines(product.output())
  expect(new Set(lines.map(({ more }) => more.name))).toEqual(new Set(['api']))
  // From the start.
  expect(valuesOf(lines, 'DiskUsed').length).toBeGreaterThan(0)
  expect([sumOf(lines, 'AnswersServed'), sumOf(lines, 'AnswersFailed')]).toEqual([1, 0])
  expect(valuesOf(lines, 'TimeToFirstToken').length).toBe(1)
  expect(product.output()).toContain('"name":"ingest"')
  expect(product.output()).not.toContain('unhandled')
})
