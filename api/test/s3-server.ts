// A real S3 server of a test's own, on free ports of 127.0.0.1, which lets in one pair of credentials:
//
//   await using server = await startS3Server()
//   await using opened = await openS3Store(server.env)      (s3-store.ts)
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { freePort } from '../../local/postgres.ts'

export const BUCKET = 'terrace-test'

/** The environment by which the SDK finds the server. */
export interface S3Environment {
  readonly AWS_ENDPOINT_URL_S3: string
  readonly AWS_REGION: string
  readonly AWS_ACCESS_KEY_ID: string
  readonly AWS_SECRET_ACCESS_KEY: string
}

export interface S3Server extends AsyncDisposable {
  readonly env: S3Environment
  readonly port: number
  /** kill -9; the folder stays. */
  kill(): Promise<void>
  /** After kill(), on the same ports and folder. Resolves when objects can be written again. */
  restart(): Promise<void>
}

const PATIENCE_MS = 120_000

/** @throws Error when WEED, the server's program, is not named: `npm run test:s3` does that */
export async function startS3Server(): Promise<S3Server> {
  const program = process.env.WEED
  if (program === undefined) throw new Error('These tests need an S3 server. Type: npm run test:s3')
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-s3-'))
  const [access, secret] = ['terrace-test', 'a-secret-of-the-test']
  const identity = {
    name: 'terrace',
    credentials: [{ accessKey: access, secretKey: secret }],
    actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'],
  }
  writeFileSync(path.join(folder, 'keys.json'), JSON.stringify({ identities: [identity] }))
  const ports = await freePorts(8)
  const [port = 0] = ports
  const env: S3Environment = {
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: access,
    AWS_SECRET_ACCESS_KEY: secret,
  }
  let keeper = await keep(program, folder, ports)
  const server: S3Server = {
    env,
    port,
    async kill() {
      process.kill(keeper.pid, 'SIGKILL')
      await keeper.ended
    },
    async restart() {
      // The old keeper would take the folder with it.
      const before = keeper
      keeper = await keep(program, folder, ports)
      before.process.kill('SIGKILL')
      await answers(env, keeper)
    },
    async [Symbol.asyncDispose]() {
      const exited = new Promise((resolve) => keeper.process.once('exit', resolve))
      keeper.process.stdin?.end()
      if (keeper.process.exitCode === null) await exited
    },
  }
  try {
    await answers(env, keeper)
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

interface Keeper {
  readonly process: ChildProcess
  /** Of the server. */
  readonly pid: number
  /** When the server ended, for whatever reason. */
  readonly ended: Promise<void>
  readonly alive: () => boolean
  readonly log: () => string
}

async function keep(program: string, folder: string, ports: readonly number[]): Promise<Keeper> {
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'server-keeper.mjs'), folder, program, ...serverOptions(folder, ports)],
    {
      env: { PATH: process.env.PATH, HOME: folder, TERRACE_TEST_RUN: process.env.TERRACE_TEST_RUN ?? '' },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  let log = ''
  let alive = true
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      alive = false
      resolve()
    }
    child.once('exit', end)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-8_000)
      if (log.includes('the server ended: ')) end()
    })
  })
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    createInterface(child.stdout).once('line', (line) => resolve(Number(line)))
  })
  return { process: child, pid, ended, alive: () => alive, log: () => log }
}

/** Everything on 127.0.0.1, nothing reported to anybody, no services that no test asks for. */
function serverOptions(folder: string, ports: readonly number[]): string[] {
  const names = ['s3.port', 's3.port.grpc', 'master.port', 'master.port.grpc', 'volume.port']
  names.push('volume.port.grpc', 'filer.port', 'filer.port.grpc')
  return [
    ...['-logtostderr=true', '-v=0', 'server', `-dir=${folder}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1'],
    ...names.map((name, i) => `-${name}=${ports[i]}`),
    ...['-filer', `-filer.localSocket=${folder}/filer.sock`],
    ...['-s3', `-s3.localSocket=${folder}/s3.sock`, `-s3.config=${folder}/keys.json`],
    ...['-s3.port.iceberg=0', '-s3.port.lance=0', '-s3.iam=false', '-s3.autoCreateBucket=false'],
    ...[
      '-master.telemetry=false',
      '-master.volumeSizeLimitMB=64',
      '-volume.max=20',
      '-volume.preStopSeconds=0',
    ],
  ]
}

async function answers(env: S3Environment, keeper: Keeper): Promise<void> {
  const client = s3Client(env)
  const object = { Bucket: BUCKET, Key: 'is-it-ready' }
  try {
    for (const until = Date.now() + PATIENCE_MS; ; await sleep(200))
      try {
        await client.send(new CreateBucketCommand({ Bucket: BUCKET })).catch((error: unknown) => {
          if (!(error instanceof Error) || !/^BucketAlready/.test(error.name)) throw error
        })
        await client.send(new PutObjectCommand({ ...object, Body: 'yes' }))
        await client.send(new DeleteObjectCommand(object))
        return
      } catch (cause) {
        if (!keeper.alive() || Date.now() > until)
          throw new Error(`the S3 server did not start:\n${keeper.log()}`, { cause })
      }
  } finally {
    client.destroy()
  }
}

/** A client of the test's own, to look behind the store's back. */
export function s3Client(env: S3Environment): S3Client {
  return new S3Client({
    endpoint: env.AWS_ENDPOINT_URL_S3,
    region: env.AWS_REGION,
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY },
    forcePathStyle: true,
    maxAttempts: 1,
  })
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}
