// What this server tells of its machine, for the alarms of its stage (contract/metrics.ts): memory, disk and the image's
// age, once a minute, as a line of the log. How its requests do is the load balancer's to tell.
import { write } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { freemem, totalmem } from 'node:os'
import { metricLines } from '../../contract/emf.ts'

export interface MetricsOptions {
  /** Undefined: nothing is written. */
  readonly stage: string | undefined
  readonly release: string
  readonly imageMadeAt: Date | undefined
}

const EVERY_MS = 60_000
const DAY_MS = 24 * 3_600_000
const STDOUT = 1

/** Writes now, and then once a minute. @param everyMs milliseconds. Default 60,000 */
export function startMetrics(options: MetricsOptions, everyMs = EVERY_MS): void {
  const { stage } = options
  if (stage === undefined) return
  // One line at a time, so that a disk that hangs or a pipe that nobody reads holds no more than one thread.
  let busy = false
  const tell = async () => {
    if (busy) return
    busy = true
    await put(await readLine(stage, options))
    busy = false
  }
  setInterval(() => void tell(), everyMs).unref()
  void tell()
}

async function readLine(stage: string, { release, imageMadeAt }: MetricsOptions): Promise<string> {
  const now = Date.now()
  const [line] = metricLines({ Stage: stage, Tier: 'web' }, now, {
    MemoryUsed: await memoryUsed(),
    DiskUsed: await diskUsed(),
    ImageAge: imageMadeAt === undefined ? [] : Math.max(0, now - imageMadeAt.getTime()) / DAY_MS,
  })
  const standard = { level: 30, time: new Date(now).toISOString(), name: 'web', release }
  return `${JSON.stringify({ ...standard, ...line, msg: 'metrics' })}\n`
}

/** A line that can't be written is lost, and that is all. */
function put(line: string): Promise<void> {
  return new Promise((resolve) => write(STDOUT, line, () => resolve()))
}

/** Per cent. Linux knows what could be had without swapping; elsewhere caches count as used. */
async function memoryUsed(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1])
  const free = kilobytes('MemAvailable') / kilobytes('MemTotal')
  return 100 * (1 - (Number.isFinite(free) ? free : freemem() / totalmem()))
}

/** Per cent of what programs may use, as `df` reckons, of the disk that this server lies on. */
async function diskUsed(): Promise<number | []> {
  try {
    const { blocks, bfree, bavail } = await statfs('.')
    const used = blocks - bfree
    return (100 * used) / (used + bavail)
  } catch {
    return []
  }
}
