import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type ModelRequest, requestHash, sha256 } from './request-hash.ts'

const REQUEST: ModelRequest = {
  model: 'llama-3-8b',
  messages: [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'Größe?\n“4 m²” 🌿' },
  ],
  max_tokens: 300,
  temperature: 0.5,
}

describe("a request's hash", () => {
  test('is the SHA-256 of its canonical JSON (RFC 8785), written by hand', async () => {
    const canonical =
      '{"max_tokens":300,"messages":[{"content":"Be short.","role":"system"},' +
      '{"content":"Größe?\\n“4 m²” 🌿","role":"user"}],"model":"llama-3-8b","temperature":0.5}'
    expect(await requestHash(REQUEST)).toBe(createHash('sha256').update(canonical).digest('base64url'))
  })

  test('is the same for the same request in another order, with absent fields named, or in another wrapping', async () => {
    const { model, messages, ...rest } = REQUEST
    const same = {
      ...rest,
      stream: true,
      user: 'x',
      seed: undefined,
      messages: messages.map(({ role, content }) => ({ content, name: 'x', role })),
      model,
    }
    expect(await requestHash(same as unknown as ModelRequest)).toBe(await requestHash(REQUEST))
  })

  test('is another for anything that changes the answer or its cost', async () => {
    const others: Partial<ModelRequest>[] = [
      { model: 'llama-3.3-70b' },
      { messages: REQUEST.messages.slice(0, 1) },
      { messages: [...REQUEST.messages].reverse() },
      { messages: REQUEST.messages.map((message) => ({ ...message, role: 'user' })) },
      { messages: REQUEST.messages.map((message) => ({ ...message, content: `${message.content} ` })) },
      { max_tokens: 301 },
      { temperature: 0.51 },
      { top_p: 1 },
      { seed: 0 },
      { frequency_penalty: 0 },
      { presence_penalty: 0 },
    ]
    const hashes = await Promise.all(others.map((other) => requestHash({ ...REQUEST, ...other })))
    expect(new Set([...hashes, await requestHash(REQUEST)]).size).toBe(others.length + 1)
  })

  test('does not exist for what has no canonical form', async () => {
    await expect(requestHash({ ...REQUEST, temperature: Number.NaN })).rejects.toThrow()
    await expect(
      requestHash({ ...REQUEST, messages: [{ role: 'user', content: '\ud800' }] }),
    ).rejects.toThrow()
  })
})

test('base64url as JWTs have it', async () => {
  // Digests with each of the characters that differ from base64.
  for (let i = 0; i < 50; i++)
    expect(await sha256(String(i))).toBe(createHash('sha256').update(String(i)).digest('base64url'))
})
