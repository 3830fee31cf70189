import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openModelStream } from './model-stream.ts'

const INPUT = { messages: [], max_tokens: 10, stream: true } as const

/** A model that says what `say` is given. */
function model() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given
    },
  })
  const encoder = new TextEncoder()
  return {
    binding: { run: async () => new Response(body) },
    say: (text: string) =>
      controller?.enqueue(encoder.encode(`data: ${JSON.stringify({ response: text })}\n\n`)),
  }
}

test('a reader who takes long for what was said is not a silence of the model', async () => {
  const { binding, say } = model()
  const stream = openModelStream(binding, 'm', INPUT, { firstTokenMs: 10_000, stallMs: 50 })
  say('One ')
  expect((await stream.next())?.events).toMatchObject([{ text: 'One ' }])
  say('two ')
  expect((await stream.next())?.events).toMatchObject([{ text: 'two ' }])
  say('three.')
  await sleep(300)
  expect((await stream.next())?.events).toMatchObject([{ text: 'three.' }])
  // Then it is the model that says nothing.
  await expect(stream.next()).rejects.toMatchObject({ code: 'MODEL_STALLED' })
})
