// The workshop on a bake's instance: the builder of that machine, which does what it is told by orders and shows nothing but its
// answers. It has no rights in the account: whatever it reads and writes, it was given an address for. When nobody
// asks for anything any more it ends, and its machine with it.
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Clock } from '../../aws/port.ts'
import { parseJson } from '../../infra/images.ts'
import { explain, Problem } from '../../local/problem.ts'
import { sbomBeside } from '../bake/inspection.ts'
import type { Builder, Carried } from '../bake/local-builder.ts'
import type { Pages } from '../bake/pages.ts'
import { unpackStatic } from '../image-set/static-files.ts'
import { BakeFailure } from '../ledger/failure.ts'
import type { Tier } from '../recipe/debian.ts'
import { checksumOf } from '../upload/disk.ts'
import { type Answer, type Kind, type Order, orderSchema, type Report, type Result } from './orders.ts'
import { goodsOf, receiveFile, sendFile } from './parcels.ts'
import { Refused, type Wire } from './wire.ts'

export interface Workshop {
  readonly builder: Pick<Builder, 'lists' | 'make' | 'boot'>
  readonly pages: Pick<Pages, 'build' | 'files'>
  readonly wire: Wire
  readonly clock: Clock
  /** For disks; is made. */
  readonly folder: string
  /** Where the first order is found. */
  readonly orders: string
  /** The console. */
  readonly say: (line: string) => void
}

const POLL_MS = 3_000
/** So long nobody may have asked for anything: somebody looks at what a bake has found, or sends a disk back. */
const IDLE_MS = 30 * 60_000
/** What is being done is told so often, also when it is the same: that is how one knows that it still is. */
const BEAT_MS = 30_000
/** And not more often than this. */
const TELL_MS = 2_000

/** @throws Error when it may not ask any more */
export async function work(workshop: Workshop): Promise<void> {
  const { wire, clock, say } = workshop
  mkdirSync(workshop.folder, { recursive: true })
  let { orders } = workshop
  let last: string | undefined
  let since = clock.now().getTime()
  say('ready')
  while (clock.now().getTime() - since < IDLE_MS) {
    const order = await nextOrder(wire, orders, say)
    if (order === undefined || order.id === last) {
      await clock.sleep(POLL_MS)
      continue
    }
    last = order.id
    say(`${order.do}${'tier' in order ? ` ${order.tier}` : ''}`)
    const answer = await answerOf(workshop, order)
    if (answer.is === 'failed') say(`failed: ${answer.message.split('\n')[0]}`)
    await wire.put(order.answer, Buffer.from(JSON.stringify(answer)))
    orders = order.orders
    since = clock.now().getTime()
  }
  say('nobody asks for anything any more')
}

async function nextOrder(
  wire: Wire,
  orders: string,
  say: (line: string) => void,
): Promise<Order | undefined> {
  let text: Buffer | undefined
  try {
    text = await wire.get(orders)
  } catch (error) {
    if (error instanceof Refused) throw error
    // The line is down: it may come back until nobody waits any more.
    say(error instanceof Error ? error.message : String(error))
    return undefined
  }
  return text && orderSchema.parse(parseJson(text.toString('utf8')))
}

async function answerOf(workshop: Workshop, order: Order): Promise<Answer> {
  const teller = tellerOf(workshop.wire, order)
  try {
    return { is: 'done', result: await fulfil(workshop, order, teller.tell) }
  } catch (error) {
    if (error instanceof Problem) return { is: 'failed', message: error.message, wayOut: error.wayOut }
    return { is: 'failed', message: error instanceof BakeFailure ? error.message : explain(error) }
  } finally {
    await teller.done()
  }
}

/** Tells what is being done, one report after the other: the newest has to be the last. */
function tellerOf(wire: Wire, order: Order) {
  let line = ''
  let beat = 0
  let isOver = false
  let told = Promise.resolve()
  const send = async () => {
    beat++
    const report: Report = { line, beat }
    // Nobody waits for it: the answer is what counts.
    await wire.put(order.progress, Buffer.from(JSON.stringify(report))).catch(() => undefined)
  }
  let soon: NodeJS.Timeout | undefined
  const sendSoon = () => {
    soon = undefined
    if (!isOver) told = told.then(send)
  }
  const beats = setInterval(sendSoon, BEAT_MS)
  return {
    tell: (text: string) => {
      line = text
      soon ??= setTimeout(sendSoon, TELL_MS)
    },
    done: async () => {
      isOver = true
      clearInterval(beats)
      clearTimeout(soon)
      await told
    },
  }
}

type Tell = (line: string) => void

function fulfil(workshop: Workshop, order: Order, tell: Tell): Promise<Result<Kind>> {
  switch (order.do) {
    case 'lists':
      return lists(workshop)
    case 'make':
      return make(workshop, order, tell)
    case 'send':
      return send(workshop, order, tell)
    case 'take':
      return take(workshop, order, tell)
    case 'boot':
      return boot(workshop, order, tell)
  }
}

const diskOf = ({ folder }: Workshop, tier: Tier) => path.join(folder, `${tier}.raw`)
const pagesOf = ({ folder }: Workshop) => path.join(folder, 'pages.json')

async function lists({ builder, pages }: Workshop): Promise<Result<'lists'>> {
  const { images, tools } = await builder.lists()
  const { api, web } = images
  return { lists: { images: { api: [...api], web: [...web] }, tools: [...tools] }, build: pages.build() }
}

async function make(
  workshop: Workshop,
  { tier, release, madeAt, previous: at }: Order & { do: 'make' },
  tell: Tell,
): Promise<Result<'make'>> {
  const { builder, pages } = workshop
  const previous = at && (await carried(workshop, at))
  const file = diskOf(workshop, tier)
  // The newest lists are this machine's own: whoever asks has made the set's name of them.
  const size = await builder.make(tier, { release, madeAt, previous }, await builder.lists(), file, tell)
  tell('its checksums')
  const goods = { disk: await goodsOf(file), sbom: await goodsOf(sbomBeside(file)) }
  const { bytes, allocatedBytes } = size
  if (tier === 'api') return { bytes, allocatedBytes, goods }
  // Those that are in the image, and no others that somebody else has built of the same.
  writeFileSync(pagesOf(workshop), (await pages.files(pages.build(), tell)).text)
  return { bytes, allocatedBytes, goods: { ...goods, pages: await goodsOf(pagesOf(workshop)) } }
}

async function carried(
  { wire, folder }: Workshop,
  { sha256, at }: { readonly sha256: string; readonly at: string },
): Promise<Carried> {
  const text = (await wire.get(at))?.toString('utf8')
  if (text === undefined || createHash('sha256').update(text).digest('hex') !== sha256)
    throw new BakeFailure(
      `The static files ${sha256.slice(0, 12)} that the web image is to carry are not those that came. Bake again.`,
    )
  const dir = path.join(folder, 'previous', sha256)
  unpackStatic({ sha256, text }, dir)
  return { sha256, dir }
}

async function send(
  workshop: Workshop,
  { tier, to }: Order & { do: 'send' },
  tell: Tell,
): Promise<Result<'send'>> {
  const disk = diskOf(workshop, tier)
  const files = { disk, sbom: sbomBeside(disk), pages: pagesOf(workshop) }
  for (const name of ['sbom', 'pages', 'disk'] as const) {
    const urls = to[name]
    if (urls === undefined) continue
    await sendFile(files[name], await goodsOf(files[name]), async (index, packed) => {
      const url = urls[index]
      if (url === undefined) throw new Error(`${tier}: ${name} has more pieces than was said`)
      tell(`sending its ${name}, ${index + 1} of ${urls.length}`)
      await workshop.wire.put(url, packed)
    })
  }
  return {}
}

async function take(
  workshop: Workshop,
  { tier, disk, from }: Order & { do: 'take' },
  tell: Tell,
): Promise<Result<'take'>> {
  await receiveFile(diskOf(workshop, tier), disk, async (index) => {
    tell(`fetching ${tier}, ${index + 1} of ${from.length}`)
    const packed = await workshop.wire.get(from[index] ?? '')
    if (packed === undefined) throw new Error(`${tier}: piece ${index + 1} is not there`)
    return packed
  })
  return {}
}

async function boot(
  workshop: Workshop,
  { disks }: Order & { do: 'boot' },
  tell: Tell,
): Promise<Result<'boot'>> {
  const tiers = (['api', 'web'] as const).filter((tier) => disks[tier] !== undefined)
  const missing: Tier[] = []
  for (const tier of tiers) {
    const there = await checksumOf(diskOf(workshop, tier)).catch(() => undefined)
    if (there !== disks[tier]) missing.push(tier)
  }
  if (missing.length > 0) return { missing }
  const files = Object.fromEntries(tiers.map((tier) => [tier, diskOf(workshop, tier)]))
  const seconds = await workshop.builder.boot(files, tell, new AbortController().signal)
  return { seconds }
}
