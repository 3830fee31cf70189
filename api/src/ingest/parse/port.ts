// What a file becomes: pages of text, the headings in them, passages as ranges of them; and what the ingest process
// and a parser's process say to each other. A parser runs in a child process (parse/process.ts) that has no network,
// no secret and no right to read a document: its file comes through stdin, what it says is checked here.
import { gunzipSync, gzipSync } from 'node:zlib'
import { z } from 'zod'

export const FILE_KINDS = ['pdf', 'docx', 'html', 'markdown', 'text', 'csv'] as const
export type FileKind = (typeof FILE_KINDS)[number]

export const MEDIA_TYPES: Readonly<Record<FileKind, string>> = {
  pdf: 'application/pdf',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  html: 'text/html',
  markdown: 'text/markdown',
  text: 'text/plain',
  csv: 'text/csv',
}

/** A place in a page's text: UTF-16 code units, end exclusive. */
export interface Range {
  readonly start: number
  readonly end: number
}

export interface Heading extends Range {
  /** From 1 (the document's own) downwards. */
  readonly level: number
}

/** One page of a PDF; of other formats a slice that ends where a paragraph does. */
export interface ParsedPage {
  readonly text: string
  /** In order, not overlapping. A heading is whole lines. */
  readonly headings: readonly Heading[]
  /** Whole lines that are no content: running heads, page numbers. In order. */
  readonly furniture: readonly Range[]
  /** Where the text stands on the page, for formats that have places. */
  readonly layout?: PageLayout
}

export interface ParsedDocument {
  readonly kind: FileKind
  /** The document's own title, when it has one. */
  readonly title: string | null
  readonly pages: readonly ParsedPage[]
}

const MOST_TEXT = 100_000_000

/**
 * UTF-16 units of text that a file may become; all of it is held in memory until it is published. A CSV's header is
 * repeated in every row: two megabytes of short cells could become a hundred. A large plain text is as long as it is.
 */
export function mostText(fileBytes: number): number {
  return Math.max(MOST_TEXT, fileBytes)
}

/**
 * Positions of a PDF page's text items, in points at scale 1 with the page's rotation applied: x to the right,
 * y downwards, (x, y) an item's upper left corner. An item is `[start, end, x, y, width, height]`, the first two
 * a range of the page's text; white space between items belongs to none.
 */
export interface PageLayout {
  readonly width: number
  readonly height: number
  readonly items: readonly (readonly [number, number, number, number, number, number])[]
}

/** What `pages.items` holds: gzip of this layout's JSON. */
export function encodeLayout(layout: PageLayout): Buffer {
  return gzipSync(JSON.stringify(layout), { level: 4 })
}

const layoutJson = z.object({
  width: z.number(),
  height: z.number(),
  items: z.array(z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number()])),
})

/** @throws Error when the bytes are not what encodeLayout made, or unpack to more than 32 MB */
export function decodeLayout(bytes: Uint8Array): PageLayout {
  return layoutJson.parse(
    JSON.parse(gunzipSync(bytes, { maxOutputLength: 32 * 1024 * 1024 }).toString('utf8')),
  )
}

// ---- Between the processes --------------------------------------------------------------------------------

/** To the parser: one file, whose bytes follow on its stdin. */
export interface ParseRequest {
  readonly id: number
  readonly filename: string
  readonly bytes: number
  /** Tokens that a passage should have. */
  readonly passageTokens: number
}

export const FAILURES = [
  'FILE_EMPTY',
  'FILE_TYPE_UNSUPPORTED',
  'FILE_TYPE_MISMATCH',
  'FILE_DAMAGED',
  'FILE_ENCRYPTED',
  'FILE_NO_TEXT',
  'FILE_TOO_COMPLEX',
] as const

const count = z.int().min(0)

/** From the parser. A document that took the parser over can say what it likes: hence the checks. */
export const parserMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  /** Pages read so far, and how many there are where that is known before the end. */
  z.object({ type: z.literal('progress'), pages: count, total: count.nullable() }),
  z.object({ type: z.literal('splitting'), pages: count }),
  z.object({
    type: z.literal('page'),
    number: z.int().min(1),
    text: z.string(),
    /** Base64 of `encodeLayout`. */
    layout: z.string().nullable(),
    /** start, end, tokens, index into this message's headings. */
    passages: z.array(z.tuple([count, count, count, count])),
    headings: z.array(z.string()),
  }),
  z.object({
    type: z.literal('done'),
    kind: z.enum(FILE_KINDS),
    pages: count,
    passages: count,
    tokens: count,
    language: z.string().regex(/^[a-z]{2,3}$/),
    /** Of the process, after this file. */
    memory: count,
  }),
  z.object({
    type: z.literal('failed'),
    code: z.enum(FAILURES),
    detail: z.record(z.string().max(40), z.union([z.string().max(200), z.number()])),
  }),
])
export type ParserMessage = z.infer<typeof parserMessage>

/** Thrown inside the parser's process; becomes a `failed` message. */
export class ParseFailure extends Error {
  readonly code: (typeof FAILURES)[number]
  readonly detail: Readonly<Record<string, string | number>>

  constructor(
    code: (typeof FAILURES)[number],
    detail: Readonly<Record<string, string | number>> = {},
    cause?: unknown,
  ) {
    super(code, cause === undefined ? undefined : { cause })
    this.code = code
    this.detail = detail
  }
}
