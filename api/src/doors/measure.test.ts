// What is measured of answers to programs.
import { expect, it } from 'vitest'
import { type Doors, doors } from '../../test/doors.ts'
import { sumOf, testMetrics, valuesOf } from '../../test/metrics.ts'

const BODY = {
  model: 'terrace/handbook',
  messages: [{ role: 'user' as const, content: 'How do I hold a package at its present version?' }],
}

async function world(knobs: string | null) {
  const metrics = testMetrics()
  const opened: Doors = await doors({ knobs, metrics })
  const client = opened.openai(await opened.key(opened.owner))
  const read = async () => {
    const lines = await metrics.read()
    const times = valuesOf(lines, 'TimeToFirstToken')
    return { served: sumOf(lines, 'AnswersServed'), failed: sumOf(lines, 'AnswersFailed'), times }
  }
  return { opened, client, read, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

it('a streamed answer is served, with the time to its first words', async () => {
  await using w = await world('delay=300&rate=100')
  for await (const _ of await w.client.chat.completions.create({ ...BODY, stream: true }));
  const { served, failed, times } = await w.read()
  expect([served, failed, times.length]).toEqual([1, 0, 1])
  expect(times[0]).toBeGreaterThanOrEqual(300)
})

it('so are quoted passages; an answer in one piece has no first words', async () => {
  await using w = await world(null)
  for await (const _ of await w.client.chat.completions.create({ ...BODY, stream: true }));
  expect(await w.read()).toEqual({ served: 1, failed: 0, times: [expect.any(Number)] })
  await w.client.chat.completions.create(BODY)
  expect(await w.read()).toEqual({ served: 1, failed: 0, times: [] })
})

it.each([true, false])('a model that fails fails the answer (stream: %s)', async (stream) => {
  await using w = await world('error=500')
  await expect(w.client.chat.completions.create({ ...BODY, stream })).rejects.toThrow()
  expect(await w.read()).toEqual({ served: 0, failed: 1, times: [] })
})

it('a program that goes away has no answer that failed', async () => {
  await using w = await world('tokens=1000&rate=20')
  for await (const chunk of await w.client.chat.completions.create({ ...BODY, stream: true }))
    if (chunk.choices[0]?.delta.content) break
  await expect.poll(() => w.opened.scripted.requests[0]?.aborted).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(await w.read()).toEqual({ served: 0, failed: 0, times: [expect.any(Number)] })
})
