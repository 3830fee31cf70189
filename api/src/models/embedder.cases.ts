// What every embedder must do, whatever makes its vectors. Each adapter's test runs these cases.
import { expect, it } from 'vitest'
import { AppError } from '../errors.ts'
import type { Embedder } from './port.ts'

/** `create` makes one that is this test's to close. */
export function embedderCases(create: () => Promise<Embedder>): void {
  const withOne = async (work: (embedder: Embedder) => Promise<void>) => {
    const embedder = await create()
    try {
      await work(embedder)
    } finally {
      await embedder.close()
    }
  }
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)

  it('gives unit vectors of its dimensions, the same for the same text', () =>
    withOne(async (embedder) => {
      const text = 'The gate closes by itself.'
      const [a, b, background] = await Promise.all([
        embedder.embed(text, 'passage'),
        embedder.embed(text, 'passage'),
        embedder.embed(text, 'background'),
      ])
      expect(a.length).toBe(embedder.identity.dimensions)
      expect(Math.hypot(...a)).toBeCloseTo(1, 5)
      expect(b).toEqual(a)
      expect(background).toEqual(a)
    }))

  it('gives each of many texts its own vector', () =>
    withOne(async (embedder) => {
      const texts = Array.from({ length: 3 * embedder.window + 1 }, (_, i) => `number ${i} of the list`)
      const many = await Promise.all(texts.map((text) => embedder.embed(text, 'passage')))
      for (const i of [0, 1, embedder.window, texts.length - 1])
        expect(dot(many[i] ?? a0, await embedder.embed(texts[i] ?? '', 'passage'))).toBeCloseTo(1, 5)
    }))

  it('texts about the same are nearer than others', () =>
    withOne(async (embedder) => {
      const question = await embedder.embed('how does the gate close?', 'query')
      const near = await embedder.embed('The gate does close by itself.', 'passage')
      const far = await embedder.embed('Green tea needs water below boiling point.', 'passage')
      expect(dot(question, near)).toBeGreaterThan(dot(question, far))
    }))

  it('what is aborted is not waited for, and the rest is made', () =>
    withOne(async (embedder) => {
      const stop = new AbortController()
      const unwanted = Array.from({ length: 4 }, (_, i) =>
        embedder.embed(`unwanted ${i}`, 'passage', stop.signal),
      )
      const wanted = embedder.embed('wanted', 'passage')
      stop.abort(new Error('no longer wanted'))
      for (const result of await Promise.allSettled(unwanted))
        expect(result).toMatchObject({ status: 'rejected', reason: { message: 'no longer wanted' } })
      expect((await wanted).length).toBe(embedder.identity.dimensions)
      await expect(embedder.embed('later', 'query', stop.signal)).rejects.toThrow('no longer wanted')
    }))

  it('closed, it tells whoever waits and whoever comes', async () => {
    const embedder = await create()
    const waiting = Promise.allSettled(
      Array.from({ length: 4 }, () => embedder.embed('text '.repeat(200), 'passage')),
    )
    await embedder.close()
    for (const result of await waiting)
      if (result.status === 'rejected') expect((result.reason as AppError).code).toBe('UNAVAILABLE')
    await expect(embedder.embed('x', 'query')).rejects.toBeInstanceOf(AppError)
    await embedder.close()
  })
}

const a0 = new Float32Array()
