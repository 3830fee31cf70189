// Opens N event streams on raw sockets and measures what arrives: gaps between frames, tokens, age of tokens.
// A process of its own, so that its CPU can be stated apart. Tokens are stamps of fixed width (see STAMP).
import net from 'node:net'

/** ` 1732500000123.456`: milliseconds since 1970, as the scripted model and the bare servers write them. */
export const STAMP = 18

export interface Measured {
  readonly streams: number
  readonly seconds: number
  readonly frames: number
  readonly tokens: number
  readonly gaps: readonly number[]
  readonly ages: readonly number[]
  readonly cpuMs: number
  readonly lost: number
}

/** One stream's request line and headers. */
export interface Target {
  readonly port: number
  readonly path: string
  readonly cookie?: string
}

export async function measureStreams(
  targets: readonly Target[],
  options: { rampMs: number; settleMs: number; windowMs: number },
): Promise<Measured> {
  let from = Number.POSITIVE_INFINITY
  let to = Number.POSITIVE_INFINITY
  let frames = 0
  let tokens = 0
  let lost = 0
  const gaps: number[] = []
  const ages: number[] = []
  const sockets = targets.map((target, i) => {
    const socket = net.connect({ port: target.port, host: '127.0.0.1', noDelay: true })
    let last = 0
    let offset = -1
    let rest = ''
    setTimeout(
      () =>
        socket.write(
          `GET ${target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n${
            target.cookie === undefined ? '' : `Cookie: ${target.cookie}\r\n`
          }\r\n`,
        ),
      (i / targets.length) * options.rampMs,
    )
    socket.on('data', (bytes) => {
      const at = performance.now()
      const text = rest + bytes.toString('latin1')
      const end = text.lastIndexOf('\n') + 1
      rest = text.slice(end)
      const inWindow = at >= from && at < to
      let line = 0
      for (;;) {
        const next = text.indexOf('\n', line)
        if (next < 0 || next >= end) break
        if (text.startsWith('id: ', line)) {
          const now = Number(text.slice(text.indexOf(':', line + 4) + 1, next))
          if (inWindow && offset >= 0) {
            frames++
            tokens += (now - offset) / STAMP
            if (last > 0) gaps.push(at - last)
          }
          offset = now
          last = at
        } else if (inWindow && text.startsWith('data: ', line)) {
          const stamp = text.slice(line, next).match(/" (\d{13}\.\d{3})/)?.[1]
          if (stamp !== undefined) ages.push(performance.timeOrigin + at - Number(stamp))
        }
        line = next + 1
      }
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (performance.now() < to) lost++
    })
    return socket
  })
  await new Promise((resolve) => setTimeout(resolve, options.rampMs + options.settleMs))
  const cpu = process.cpuUsage()
  from = performance.now()
  await new Promise((resolve) => setTimeout(resolve, options.windowMs))
  to = performance.now()
  const used = process.cpuUsage(cpu)
  for (const socket of sockets) socket.destroy()
  return {
    streams: targets.length,
    seconds: (to - from) / 1_000,
    frames,
    tokens,
    gaps: percentiles(gaps),
    ages: percentiles(ages),
    cpuMs: (used.user + used.system) / 1_000,
    lost,
  }
}

/** p50, p95, p99 and the largest, in milliseconds with one decimal. */
function percentiles(values: number[]): number[] {
  values.sort((a, b) => a - b)
  const at = (share: number) => values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
  return [0.5, 0.95, 0.99, 1].map((share) => Math.round(at(share) * 10) / 10)
}

interface Job {
  readonly targets: readonly Target[]
  readonly options: { rampMs: number; settleMs: number; windowMs: number }
}
process.on('message', async (job: Job) => {
  process.send?.(await measureStreams(job.targets, job.options))
})
process.on('disconnect', () => process.exit())
