// The yardsticks: servers that do nothing but send a token every 50 ms to each stream.
// `trpc`: a subscription in Fastify, as tRPC serves it. `written`: the same one written by http/subscriptions.ts.
// `sse`: bare node:http.
// One clock for all streams in both: a timer a token would make the yardstick shorter than it is.
import { createServer } from 'node:http'
import { initTRPC, tracked } from '@trpc/server'
import { type FastifyTRPCPluginOptions, fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import fastify from 'fastify'
import superjson from 'superjson'
import { z } from 'zod'
import { registerSubscriptions } from '../../api/src/http/subscriptions.ts'

const [mode = 'trpc', rateText = '20'] = process.argv.slice(2)
const interval = 1_000 / Number(rateText)

interface Due {
  at: number
  wake: (time: number) => void
}
const waiting = new Set<Due>()
setInterval(() => {
  const time = performance.now()
  for (const due of waiting) {
    if (due.at > time) continue
    waiting.delete(due)
    due.wake(time)
  }
}, 2)

const stamp = () => (performance.timeOrigin + performance.now()).toFixed(3)
const event = (start: number) => ({ type: 'text' as const, attempt: 1, start, text: ` ${stamp()}` })

async function trpc(): Promise<number> {
  const t = initTRPC.create({
    transformer: superjson,
    sse: { ping: { enabled: true, intervalMs: 15_000 }, client: { reconnectAfterInactivityMs: 45_000 } },
  })
  const router = t.router({
    watch: t.procedure.input(z.object({ id: z.string() })).subscription(async function* ({ signal }) {
      let at = performance.now()
      for (let start = 0; signal?.aborted !== true; ) {
        at += interval
        await new Promise((wake) => waiting.add({ at, wake }))
        const next = event(start)
        start += next.text.length
        yield tracked(`1:${start}`, next)
      }
    }),
  })
  const server = fastify({ routerOptions: { maxParamLength: 5_000 } })
  if (mode === 'written')
    registerSubscriptions(server, { router, prefix: '/trpc', createContext: async () => ({}) })
  const options: FastifyTRPCPluginOptions<typeof router>['trpcOptions'] = { router }
  server.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions: options })
  return Number(new URL(await server.listen({ port: 0, host: '127.0.0.1' })).port)
}

async function sse(): Promise<number> {
  const server = createServer((_request, response) => {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
    })
    response.write('event: connected\ndata: {}\n\n')
    let at = performance.now()
    let start = 0
    const wake = () => {
      if (response.destroyed) return
      const next = event(start)
      start += next.text.length
      response.write(`data: ${JSON.stringify(next)}\nid: 1:${start}\n\n`)
      at += interval
      waiting.add({ at, wake })
    }
    at += interval
    waiting.add({ at, wake })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

const port = mode === 'sse' ? await sse() : await trpc()
process.send?.({ port })
let before = process.cpuUsage()
process.on('message', () => {
  const used = process.cpuUsage(before)
  before = process.cpuUsage()
  process.send?.({ cpuMs: (used.user + used.system) / 1_000, rss: process.memoryUsage.rss() })
})
process.on('disconnect', () => process.exit())
