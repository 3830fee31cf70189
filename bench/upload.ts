// How much of a line an upload uses: a disk into a snapshot of the stand-in, over HTTP and with the SDK's own client, on
// lines of some bandwidth whose puts are answered 100 ms after their last byte (AWS's own example). Beside them a line
// without limits, which is what reading, hashing and the client can do at most here, and a rate that AWS throttles.
// Options: --mib=N (size of the disk) --workers=N
import { type ChildProcess, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { CompleteSnapshotCommand, StartSnapshotCommand } from '@aws-sdk/client-ebs'
import { openDigestLog } from '../ami/upload/digest-log.ts'
import { BLOCK_BYTES, openDisk } from '../ami/upload/disk.ts'
import { putBlocks, WORKERS } from '../ami/upload/put-blocks.ts'
import { connect } from '../aws/connect.ts'
import { type Bar, begin, cpuMs, type Figure, finish, median } from './harness.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    workers: { type: 'string', default: String(WORKERS) },
  },
})
const MIB = 2 ** 20
const mib = Number(values.mib)
const workers = Number(values.workers)
const RUNS = 3
const LATENCY_MS = 100

interface Line {
  readonly name: string
  /** MiB a second; 0: no limit. */
  readonly limit: number
  readonly latencyMs: number
  /** Puts a second that are not refused; 0: all. */
  readonly puts: number
  /** Offices and hosted runners have such lines: what the issue promises is held to them. */
  readonly promised?: boolean
}
const LINES: readonly Line[] = [
  { name: '100 Mbit/s', limit: 11.92, latencyMs: LATENCY_MS, puts: 0, promised: true },
  { name: '1 Gbit/s', limit: 119.2, latencyMs: LATENCY_MS, puts: 0, promised: true },
  { name: '2 Gbit/s', limit: 238.4, latencyMs: LATENCY_MS, puts: 0 },
  { name: 'throttled at 100 puts a second', limit: 0, latencyMs: LATENCY_MS, puts: 100 },
  { name: 'no limit', limit: 0, latencyMs: 0, puts: 0 },
]

const run = begin('upload', ['@aws-sdk/client-ebs'])
process.env.AWS_ACCESS_KEY_ID ||= 'AKIAEXAMPLE'
process.env.AWS_SECRET_ACCESS_KEY ||= 'example'
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-upload-'))
const file = path.join(folder, 'disk.raw')
const figures: Record<string, Figure> = { mib, workers, latencyMs: LATENCY_MS }
const bars: Bar[] = []
try {
  writeDisk(mib)
  for (const line of LINES) await measure(line)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
finish(run, figures, bars)

/** Random bytes, so that nothing on the way can make them fewer. */
function writeDisk(size: number): void {
  const block = Buffer.alloc(MIB)
  const to = openSync(file, 'w')
  for (let at = 0; at < size; at++) writeSync(to, randomFillSync(block))
  closeSync(to)
}

async function measure(line: Line): Promise<void> {
  // On a slow line less is enough, as long as the beginning and the end do not count.
  const size = line.limit > 0 ? Math.min(mib, Math.ceil(line.limit * 10)) : mib
  writeDisk(size)
  const speeds: number[] = []
  const shares: number[] = []
  for (let count = 0; count < RUNS; count++) {
    const server = spawn(process.execPath, [
      path.join(import.meta.dirname, 'upload/server.ts'),
      String(line.limit * MIB),
      String(line.latencyMs),
      String(line.puts),
    ])
    try {
      const { seconds, cpu } = await upload(server)
      speeds.push(size / seconds)
      shares.push(cpu / seconds / 1000)
    } finally {
      server.kill()
      await once(server, 'exit')
    }
  }
  const speed = median(speeds)
  const possible = line.puts > 0 ? (line.puts * BLOCK_BYTES) / MIB : line.limit
  figures[line.name] = {
    mib: size,
    mibPerSecond: speed,
    runs: speeds,
    ...(possible > 0 && { share: speed / possible }),
    cpuShareOfOneCore: median(shares),
  }
  console.log(`${line.name}: ${speed.toFixed(1)} MiB/s`)
  if (line.promised === true)
    bars.push({
      bar: `upload on a line of ${line.name}`,
      value: (speed / line.limit) * 100,
      limit: 80,
      unit: '% of its bandwidth',
      better: 'more',
    })
}

/** From the beginning of the snapshot to its seal, connections and all. */
async function upload(server: ChildProcess): Promise<{ seconds: number; cpu: number }> {
  const [text] = (await once(server.stdout ?? server, 'data')) as [Buffer]
  process.env.AWS_ENDPOINT_URL_EBS = `http://127.0.0.1:${String(text).trim()}`
  const aws = connect({ region: 'eu-west-1' })
  const before = { at: performance.now(), cpu: cpuMs(process.pid) }
  await using disk = await openDisk(file)
  const { SnapshotId: snapshot = '' } = await aws.ebs.send(
    new StartSnapshotCommand({ VolumeSize: Math.ceil(disk.size / 2 ** 30) }),
  )
  const log = path.join(folder, `${server.pid}.blocks`)
  await using confirmed = await openDigestLog(log, disk.blocks)
  const { count, checksum } = await putBlocks(aws, { snapshot, disk, confirmed, workers })
  await aws.ebs.send(
    new CompleteSnapshotCommand({
      SnapshotId: snapshot,
      ChangedBlocksCount: count,
      Checksum: checksum.toString('base64'),
      ChecksumAlgorithm: 'SHA256',
      ChecksumAggregationMethod: 'LINEAR',
    }),
  )
  return { seconds: (performance.now() - before.at) / 1000, cpu: cpuMs(process.pid) - before.cpu }
}
