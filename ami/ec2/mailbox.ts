// The bake's side of what it and a workshop say to each other: objects of the state bucket, all below one folder that goes when the
// machine does.
import { randomBytes } from 'node:crypto'
import { DeleteObjectsCommand } from '@aws-sdk/client-s3'
import type { Aws } from '../../aws/port.ts'
import type { Presign } from '../../aws/presign.ts'
import { type Home, stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { parseJson } from '../../infra/images.ts'
import { Problem } from '../../local/problem.ts'
import { listObjects, readBytes, replaceObject } from '../image-set/record.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { passing, persist } from '../upload/persist.ts'
import { lineOf, linesOf } from './console.ts'
import { answerSchema, type Kind, progressSchema, RESULTS, type Result, type Task } from './orders.ts'

/** Seconds. As long as a machine lives at most: what it was started with holds until then. */
export const LIFE_S = 2 * 60 * 60
const POLL_MS = 5_000
const PATIENCE_MS = 5 * 60_000
/** Bytes. A list of every package, or of every piece of a disk, has some hundred thousand. */
const MOST_ANSWER = 16 * 2 ** 20
const MOST_PROGRESS = 64 * 1024
/** Of one call; S3 takes no more. */
const MOST_DELETED = 1_000

export interface Place {
  readonly aws: Aws
  readonly presign: Presign
  readonly home: Home
}

export const folderOf = (bake: string): string => `${LAYOUT.bakes}${bake}/`
export const sourcesKey = (bake: string, sha256: string): string =>
  `${folderOf(bake)}sources-${sha256.slice(0, 16)}.tar.gz`
export const ordersKey = (bake: string, mailbox: string): string => `${folderOf(bake)}${mailbox}/orders.json`

const isPassing = (error: unknown) => passing(error) !== undefined

export async function putObject(
  { aws, home }: Place,
  key: string,
  body: string | Buffer,
  signal: AbortSignal | undefined,
): Promise<void> {
  await persist(aws.clock, PATIENCE_MS, signal, isPassing, () => replaceObject(aws, home, key, body))
}

/**
 * Of what a builder has written: an address says nothing of how much may be put there.
 * @param most bytes
 * @returns undefined when there is none
 * @throws BakeFailure for more than that
 */
export async function getObject(
  { aws, home }: Place,
  key: string,
  most: number,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  const read = await persist(aws.clock, PATIENCE_MS, signal, isPassing, () => readBytes(aws, home, key, most))
  return read?.bytes
}

/** Nobody's signal ends that. */
export async function removeFolder({ aws, home }: Place, bake: string): Promise<void> {
  for (;;) {
    const found = await persist(aws.clock, PATIENCE_MS, undefined, isPassing, () =>
      listObjects(aws, home, folderOf(bake)),
    )
    const some = found.slice(0, MOST_DELETED).map(({ key }) => ({ Key: key }))
    if (some.length === 0) return
    const at = { Bucket: stateBucket(home), ExpectedBucketOwner: home.account }
    const { Errors: [wrong] = [] } = await persist(aws.clock, PATIENCE_MS, undefined, isPassing, () =>
      aws.s3.send(new DeleteObjectsCommand({ ...at, Delete: { Objects: some, Quiet: true } })),
    )
    if (wrong !== undefined)
      throw new BakeFailure(
        `s3://${stateBucket(home)}/${wrong.Key} could not be removed (${wrong.Code}). The bucket removes it after two weeks.`,
      )
  }
}

export interface Talk {
  /** Milliseconds since the machine was heard of, or asked. @throws what ended it */
  readonly watch: (silentMs: number) => Promise<void>
  readonly report: (line: string) => void
  readonly signal: AbortSignal
}

/**
 * Gives one order and waits for its answer.
 * @throws Problem and BakeFailure as the workshop met them; what `watch` throws
 */
export async function ask<K extends Kind>(
  place: Place,
  { bake, mailbox }: { readonly bake: string; readonly mailbox: string },
  kind: K,
  task: Task<K>,
  { watch, report, signal }: Talk,
): Promise<Result<K>> {
  const { aws, presign, home } = place
  const id = randomBytes(8).toString('hex')
  const bucket = stateBucket(home)
  const folder = `${folderOf(bake)}${mailbox}/`
  const keys = { answer: `${folder}${id}/answer.json`, progress: `${folder}${id}/progress.json` }
  const order = {
    ...task,
    do: kind,
    id,
    answer: await presign.put({ bucket, key: keys.answer }, LIFE_S),
    progress: await presign.put({ bucket, key: keys.progress }, LIFE_S),
    orders: await presign.get({ bucket, key: ordersKey(bake, mailbox) }, LIFE_S),
  }
  await putObject(place, ordersKey(bake, mailbox), JSON.stringify(order), signal)
  let heard = aws.clock.now().getTime()
  let beat = 0
  for (;;) {
    await watch(aws.clock.now().getTime() - heard)
    const answer = await getObject(place, keys.answer, MOST_ANSWER, signal)
    if (answer !== undefined) return resultOf(kind, answer)
    const progress = await getObject(place, keys.progress, MOST_PROGRESS, signal)
    const said = progress && progressSchema.safeParse(parseJson(progress.toString('utf8'))).data
    if (said !== undefined && said.beat !== beat) {
      ;({ beat } = said)
      heard = aws.clock.now().getTime()
      if (said.line !== '') report(lineOf(said.line))
    }
    await aws.clock.sleep(POLL_MS, signal)
  }
}

function resultOf<K extends Kind>(kind: K, bytes: Buffer): Result<K> {
  const answer = answerSchema.safeParse(parseJson(bytes.toString('utf8'))).data
  if (answer?.is === 'failed')
    throw answer.wayOut === undefined
      ? new BakeFailure(linesOf(answer.message))
      : new Problem(linesOf(answer.message), linesOf(answer.wayOut))
  const result = RESULTS[kind].safeParse(answer?.result)
  if (!result.success) throw new BakeFailure(`The builder’s answer to ${kind} is not one. Bake again.`)
  return result.data as Result<K>
}
