// EBS direct over HTTP for bench/upload.ts, in a process of its own: the stand-in behind a line of some bandwidth, which
// answers each put some time after its last byte came through, and refuses those above a rate.
// Arguments: bytes a second (0: as many as come), milliseconds, puts a second (0: all). Prints its port.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { standIn } from '../../aws/stand-in/stand-in.ts'

const [bytesPerSecond = 0, latencyMs = 0, putsPerSecond = 0] = process.argv.slice(2).map(Number)
const { blocks } = standIn()
const call = (operation: string, input: object): object => {
  const handle = blocks.operations[operation]
  if (handle === undefined) throw new Error(`no ${operation}`)
  return handle(input as never)
}

/** When the line has taken everything that came so far. */
let lineFree = performance.now()
/** Puts that may still come now, at most a tenth of a second's. */
const burst = putsPerSecond / 10
let left = burst
let since = performance.now()

function mayCome(): boolean {
  if (putsPerSecond === 0) return true
  const now = performance.now()
  left = Math.min(burst, left + ((now - since) / 1000) * putsPerSecond)
  since = now
  if (left < 1) return false
  left--
  return true
}

async function overTheLine(bytes: number): Promise<void> {
  const now = performance.now()
  lineFree = Math.max(now, lineFree) + (bytesPerSecond > 0 ? (bytes / bytesPerSecond) * 1000 : 0)
  const wait = lineFree - now + latencyMs
  if (wait > 0) await sleep(wait)
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request)
  const { pathname } = new URL(request.url ?? '', 'http://localhost')
  const header = (name: string) => String(request.headers[name] ?? '')
  const [, , id = '', what, index] = pathname.split('/')
  if (id === '')
    return answer(response, 201, { ...call('StartSnapshot', JSON.parse(body.toString())), StartTime: 0 })
  if (id === 'completion')
    return answer(
      response,
      202,
      call('CompleteSnapshot', {
        SnapshotId: what,
        ChangedBlocksCount: Number(header('x-amz-changedblockscount')),
        Checksum: header('x-amz-checksum'),
        ChecksumAlgorithm: header('x-amz-checksum-algorithm'),
        ChecksumAggregationMethod: header('x-amz-checksum-aggregation-method'),
      }),
    )
  await overTheLine(body.length)
  if (!mayCome())
    throw Object.assign(new Error('too many requests'), {
      name: 'RequestThrottledException',
      $metadata: { httpStatusCode: 400 },
    })
  call('PutSnapshotBlock', {
    SnapshotId: id,
    BlockIndex: Number(index),
    BlockData: body,
    DataLength: Number(header('x-amz-data-length')),
    Checksum: header('x-amz-checksum'),
    ChecksumAlgorithm: header('x-amz-checksum-algorithm'),
  })
  response.writeHead(201, { 'x-amz-checksum': header('x-amz-checksum') }).end()
}

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    const metadata: unknown = Reflect.get(Object(error), '$metadata')
    const status = Number(Reflect.get(Object(metadata), 'httpStatusCode') ?? 500)
    answer(response, status, { Message: message }, { 'x-amzn-errortype': name })
  })
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
