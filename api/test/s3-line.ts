// A way to an S3 server on which things can go wrong: stall, break off in the middle of an answer, lose one, garble one.
import net from 'node:net'
import type { S3Environment } from './s3-server.ts'

/** What is to happen, once, to the next request whose first line matches. */
export type Accident =
  /** The server does what it was asked, and nobody hears that it did. */
  | { readonly kind: 'lose-answer'; readonly request: RegExp }
  /** The connection breaks after so many bytes of the answer. */
  | { readonly kind: 'cut-answer'; readonly request: RegExp; readonly after: number }
  /** One byte of the request is another, that far into it. */
  | { readonly kind: 'garble-request'; readonly request: RegExp; readonly at: number }
  /** One byte of the answer is another, that far into it. */
  | { readonly kind: 'garble-answer'; readonly request: RegExp; readonly at: number }

export interface Line extends AsyncDisposable {
  readonly env: S3Environment
  /** Connections to the server. */
  open(): number
  /** Nothing gets through and what is open is torn down, until `mend`. */
  cut(): void
  mend(): void
  /** Requests whose first line matches go no further, until `go`. */
  stall(request: RegExp): void
  go(): void
  next(accident: Accident): void
  /** How many accidents have happened. */
  readonly happened: number
}

function garble(bytes: Buffer, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 1
}

export async function s3Line(env: S3Environment): Promise<Line> {
  const target = new URL(env.AWS_ENDPOINT_URL_S3)
  const pairs = new Set<{ from: net.Socket; to: net.Socket; held: Buffer[] | null }>()
  let up = true
  let stalled: RegExp | undefined
  let planned: Accident | undefined
  let happened = 0

  const server = net.createServer((from) => {
    if (!up) return from.destroy()
    const to = net.connect(Number(target.port), target.hostname)
    const pair = { from, to, held: null as Buffer[] | null }
    pairs.add(pair)
    let fate: Accident | undefined
    let asked = 0
    let answered = 0
    const end = () => {
      pairs.delete(pair)
      from.destroy()
      to.destroy()
    }
    from.on('error', () => {}).on('close', end)
    to.on('error', () => {}).on('close', end)
    from.on('data', (chunk) => {
      const begin = chunk.subarray(0, 500).toString('latin1')
      if (stalled?.test(begin)) pair.held ??= []
      if (planned?.request.test(begin)) {
        fate = planned
        planned = undefined
        asked = 0
        answered = 0
      }
      asked += chunk.length
      if (fate?.kind === 'garble-request' && asked > fate.at) {
        happened++
        garble(chunk, fate.at - (asked - chunk.length))
        fate = undefined
      }
      // Held, not paused: a socket that nobody reads does not notice that its other end is gone.
      if (pair.held !== null) pair.held.push(chunk)
      else if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('drain', () => to.resume())
    to.on('data', (chunk) => {
      const before = answered
      answered += chunk.length
      if (fate?.kind === 'lose-answer') {
        happened++
        return end()
      }
      if (fate?.kind === 'cut-answer' && answered > fate.after) {
        happened++
        from.end(chunk.subarray(0, fate.after - before))
        return to.destroy()
      }
      if (fate?.kind === 'garble-answer' && answered > fate.at) {
        happened++
        garble(chunk, fate.at - before)
        fate = undefined
      }
      if (!from.write(chunk)) to.pause()
    })
  })
  const tearDown = () => {
    for (const { from, to } of pairs) {
      from.destroy()
      to.destroy()
    }
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return {
    env: { ...env, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` },
    open: () => pairs.size,
    cut() {
      up = false
      tearDown()
    },
    mend() {
      up = true
    },
    stall(request) {
      stalled = request
    },
    go() {
      stalled = undefined
      for (const pair of pairs) {
        for (const chunk of pair.held ?? []) pair.to.write(chunk)
        pair.held = null
      }
    },
    next(accident) {
      planned = accident
    },
    get happened() {
      return happened
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      tearDown()
      await closed
    },
  }
}
