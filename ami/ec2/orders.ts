// What a bake and the workshop on its instance say to each other, over objects of the state bucket: one order at a time, which the
// workshop finds at an address that it was given, and one answer. Everything that it may read or write comes with the order.
import { z } from 'zod'
import { goodsSchema } from './parcels.ts'

const tier = z.enum(['api', 'web'])
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
/** Presigned. */
const address = z.url()
const urls = z.array(address)
const head = {
  /** Never used again. */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  /** Where its answer is put. */
  answer: address,
  /** Where is put what is being done. */
  progress: address,
  /** Where the next one is found: this one's address may end before. */
  orders: address,
}

export const orderSchema = z.discriminatedUnion('do', [
  z.object({ ...head, do: z.literal('lists') }),
  z.object({
    ...head,
    do: z.literal('make'),
    tier,
    release: z.string(),
    madeAt: z.iso.datetime(),
    /** Static files of another set's pages, and their SHA-256. */
    previous: z.object({ sha256, at: address }).optional(),
  }),
  z.object({
    ...head,
    do: z.literal('send'),
    tier,
    /** As many as each has pieces. */
    to: z.object({ disk: urls, sbom: urls, pages: urls.optional() }),
  }),
  z.object({ ...head, do: z.literal('take'), tier, disk: goodsSchema, from: urls }),
  z.object({
    ...head,
    do: z.literal('boot'),
    /** `checksumOf` the disks that are meant. */
    disks: z.partialRecord(tier, sha256),
  }),
])
export type Order = z.infer<typeof orderSchema>
export type Kind = Order['do']
/** What an order of a kind has beside its head. */
export type Task<K extends Kind> = Omit<Extract<Order, { do: K }>, keyof typeof head | 'do'>

export const answerSchema = z.discriminatedUnion('is', [
  z.object({ is: z.literal('done'), result: z.unknown() }),
  z.object({ is: z.literal('failed'), message: z.string(), wayOut: z.string().optional() }),
])
export type Answer = z.infer<typeof answerSchema>
export const progressSchema = z.object({ line: z.string(), beat: z.int() })
export type Report = z.infer<typeof progressSchema>

const locked = z.array(
  z.object({
    name: z.string(),
    version: z.string(),
    architecture: z.string(),
    sha256,
    bytes: z.number(),
  }),
)
/** Results, by kind of order. */
export const RESULTS = {
  lists: z.object({
    lists: z.object({ images: z.object({ api: locked, web: locked }), tools: locked }),
    /** What the pages' build is called there. */
    build: z.string(),
  }),
  make: z.object({
    bytes: z.number(),
    allocatedBytes: z.number(),
    goods: z.object({ disk: goodsSchema, sbom: goodsSchema, pages: goodsSchema.optional() }),
  }),
  send: z.object({}),
  take: z.object({}),
  boot: z.union([
    /** Disks that are not there: nothing was booted. */
    z.object({ missing: z.array(tier).min(1) }),
    z.object({ seconds: z.partialRecord(tier, z.number()) }),
  ]),
} as const satisfies Record<Kind, z.ZodType>
export type Result<K extends Kind> = z.infer<(typeof RESULTS)[K]>
