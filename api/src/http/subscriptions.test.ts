// tRPC's own client against our writer of subscriptions: the format is theirs.
import net from 'node:net'
import { createTRPCClient, httpSubscriptionLink } from '@trpc/client'
import { initTRPC, TRPCError, tracked } from '@trpc/server'
import fastify, { type FastifyInstance } from 'fastify'
import superjson from 'superjson'
import { EventSource } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { registerSubscriptions, stringify } from './subscriptions.ts'

const t = initTRPC
  .context<{ who: string }>()
  .create({ transformer: superjson, sse: { client: { reconnectAfterInactivityMs: 45_000 } } })

let produced = 0
let finished = 0
const router = t.router({
  count: t.procedure
    .input(z.object({ to: z.number(), lastEventId: z.string().nullish(), everyMs: z.number().default(0) }))
    .subscription(async function* ({ input, signal }) {
      try {
        for (let n = Number(input.lastEventId ?? 0) + 1; n <= input.to; n++) {
          if (input.everyMs > 0) await new Promise((resolve) => setTimeout(resolve, input.everyMs))
          if (signal?.aborted === true) return
          yield tracked(String(n), { n, text: `a\nb ${n} ü` })
        }
      } finally {
        finished++
      }
    }),
  rich: t.procedure.subscription(async function* ({ ctx }) {
    yield { at: new Date(0), who: ctx.who, nothing: undefined, big: new Map([[1, 'x']]) }
  }),
  fails: t.procedure.subscription(async function* () {
    yield 1
    throw new TRPCError({ code: 'FORBIDDEN', message: 'no more' })
  }),
  flood: t.procedure.subscription(async function* () {
    for (;;) {
      produced++
      yield 'x'.repeat(10_000)
    }
  }),
  plain: t.procedure.query(() => 1),
})

let server: FastifyInstance | undefined
afterEach(() => server?.close())

async function start(port = 0): Promise<number> {
  server = fastify()
  registerSubscriptions(server, { router, prefix: '/trpc', createContext: async () => ({ who: 'me' }) })
  return Number(new URL(await server.listen({ port, host: '127.0.0.1' })).port)
}

const client = (port: number) =>
  createTRPCClient<typeof router>({
    links: [
      httpSubscriptionLink({
        url: `http://127.0.0.1:${port}/trpc`,
        transformer: superjson,
        // undici's is a WHATWG one; its types say less than tRPC's ask for.
        EventSource: EventSource as unknown as typeof globalThis.EventSource,
      }),
    ],
  })

/** Resolves when `onComplete` or `onError` is called. */
function hear<T>(
  subscribe: (on: { onData(data: T): void; onComplete(): void; onError(error: unknown): void }) => void,
) {
  const heard: T[] = []
  return new Promise<{ heard: T[]; error: unknown }>((resolve) => {
    subscribe({
      onData: (data) => heard.push(data),
      onComplete: () => resolve({ heard, error: null }),
      onError: (error) => resolve({ heard, error }),
    })
  })
}

describe('subscriptions', () => {
  it('arrive in order with their ids, and complete', async () => {
    const port = await start()
    const { heard } = await hear<{ id: string; data: { n: number; text: string } }>((on) =>
      client(port).count.subscribe({ to: 3 }, on),
    )
    expect(heard).toEqual([1, 2, 3].map((n) => ({ id: String(n), data: { n, text: `a\nb ${n} ü` } })))
  })

  it('carry what superjson carries, and the context', async () => {
    const port = await start()
    const { heard } = await hear((on) => client(port).rich.subscribe(undefined, on))
    expect(heard).toEqual([{ at: new Date(0), who: 'me', nothing: undefined, big: new Map([[1, 'x']]) }])
  })

  it('end with the error that the procedure threw, or its input caused', async () => {
    const port = await start()
    const thrown = await hear((on) => client(port).fails.subscribe(undefined, on))
    expect(thrown.heard).toEqual([1])
    expect(thrown.error).toMatchObject({ message: 'no more', data: { code: 'FORBIDDEN' } })
    const wrong = await hear((on) => client(port).count.subscribe({ to: 'x' as never }, on))
    expect(wrong.error).toMatchObject({ data: { code: 'BAD_REQUEST' } })
    const garbled = await fetch(`http://127.0.0.1:${port}/trpc/count?input=%7B`)
    expect(await garbled.text()).toContain('event: serialized-error')
  })

  it('end without a farewell when the server closes, and go on elsewhere from the last id', async () => {
    const port = await start()
    const input = encodeURIComponent(JSON.stringify({ json: { to: 8, everyMs: 20 } }))
    const cut = fetch(`http://127.0.0.1:${port}/trpc/count?input=${input}`).then((response) =>
      response.text(),
    )
    await new Promise((resolve) => setTimeout(resolve, 70))
    await server?.close()
    const first = await cut
    expect(first).toContain('event: connected')
    expect(first).not.toContain('event: return')
    const last = [...first.matchAll(/^id: (\d+)$/gm)].at(-1)?.[1] ?? '0'
    await start(port)
    const url = `http://127.0.0.1:${port}/trpc/count?input=${input}`
    for (const rest of [
      await fetch(url, { headers: { 'last-event-id': last } }),
      await fetch(`${url}&lastEventId=${last}`),
    ]) {
      const text = await rest.text()
      expect([...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual(
        Array.from({ length: 8 - Number(last) }, (_, i) => Number(last) + 1 + i),
      )
      expect(text).toContain('event: return')
    }
  })

  it('stop their procedure when the client goes away', async () => {
    const port = await start()
    const before = finished
    const subscription = client(port).count.subscribe({ to: 1e9, everyMs: 5 }, {})
    await new Promise((resolve) => setTimeout(resolve, 100))
    subscription.unsubscribe()
    await expect.poll(() => finished, { timeout: 15_000 }).toBe(before + 1)
  })

  it('wait for a reader who does not read', async () => {
    const port = await start()
    produced = 0
    const socket = net.connect(port, '127.0.0.1')
    socket.write('GET /trpc/flood HTTP/1.1\r\nHost: x\r\n\r\n')
    socket.pause()
    let last = -1
    await expect
      .poll(
        () => {
          const settled = produced > 0 && produced === last
          last = produced
          return settled
        },
        { interval: 200, timeout: 10_000 },
      )
      .toBe(true)
    expect(produced).toBeLessThan(5_000)
    socket.destroy()
  })

  it('leave everything else to tRPC', async () => {
    const port = await start()
    expect((await fetch(`http://127.0.0.1:${port}/trpc/plain`)).status).toBe(404)
  })
})

describe('a frame', () => {
  it.each([
    [{ a: 1, b: 'x\u2028', c: null, d: false }],
    [{ a: undefined }],
    [{ a: Number.NaN }],
    [{ a: -0 }],
    [{ a: new Date(5) }],
    [{ a: [1, 2] }],
    [{}],
    [[1]],
    ['text'],
    [null],
    [Object.assign(Object.create(null), { a: 1 })],
  ])('is what superjson writes: %j', (value) => {
    expect(superjson.parse(stringify(value))).toEqual(superjson.parse(superjson.stringify(value)))
    expect(stringify(value)).toBe(superjson.stringify(value))
  })
})
