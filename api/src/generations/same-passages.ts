// Which passages of another reading say the same as those of this one: those that have most of their words, or are a good
// part of them.
import type { Pool } from '../database/pool.ts'

/** Passages read at a time: in between, others have their turn. */
const PORTION = 200
/** Of a passage's words, that another one has to have to be called the same. */
const LEAST_SHARE = 0.5
/** A shorter one that has nearly nothing else is a part of it: three of 120 tokens are one of 320. */
const PART = { ofItself: 0.9, ofTheOther: 0.25 }

const WORD = /[\p{L}\p{N}\p{M}]+/gu
const WITHOUT_SPACES =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const segmenter = new Intl.Segmenter('en', { granularity: 'word' })

interface Row {
  readonly id: string
  readonly page: number
  readonly text: string
  /** Where it stands in its reading, 0 to 1. */
  readonly place: number
}

interface Found {
  readonly id: string
  readonly common: number
  readonly otherPage: boolean
  readonly distance: number
}

/** By the ids of passages, that of the passage of this reading; null where there is none. */
export async function samePassages(
  pool: Pool,
  {
    versionId,
    readingId,
    ids,
  }: { readonly versionId: string; readonly readingId: number; readonly ids: readonly string[] },
  signal: AbortSignal,
): Promise<Map<string, string | null>> {
  const { rows: wanted } = await pool.query<Row>(
    `SELECT p.id, p.page, p.text, p.ordinal::float8 / greatest(vr.passages, 1) AS place
     FROM passages p JOIN version_readings vr ON vr.version_id = p.version_id AND vr.reading_id = p.reading_id
     WHERE p.id = ANY($1::bigint[])`,
    [ids],
  )
  const bags = wanted.map(({ text }) => bagOf(text))
  const sizes = bags.map(sizeOf)
  // By word, so that a passage costs what it has in common with those that are looked for.
  const having = new Map<string, { readonly index: number; readonly times: number }[]>()
  for (const [index, bag] of bags.entries())
    for (const [word, times] of bag) {
      const all = having.get(word)
      if (all === undefined) having.set(word, [{ index, times }])
      else all.push({ index, times })
    }
  const best: (Found | undefined)[] = wanted.map(() => undefined)
  for await (const { id, page, text, place } of passagesOf(pool, versionId, readingId, signal)) {
    const common = new Map<number, number>()
    const bag = bagOf(text)
    const size = sizeOf(bag)
    for (const [word, times] of bag)
      for (const { index, times: most } of having.get(word) ?? [])
        common.set(index, (common.get(index) ?? 0) + Math.min(times, most))
    for (const [index, n] of common) {
      const old = wanted[index]
      const whole = sizes[index] ?? 0
      const isPart = n >= PART.ofItself * size && n >= PART.ofTheOther * whole
      if (old === undefined || (n < LEAST_SHARE * whole && !isPart)) continue
      const found = { id, common: n, otherPage: page !== old.page, distance: Math.abs(place - old.place) }
      const before = best[index]
      if (before === undefined || order(found, before) < 0) best[index] = found
    }
  }
  const same = new Map<string, string | null>(ids.map((id) => [id, null]))
  for (const [index, { id }] of wanted.entries()) same.set(id, best[index]?.id ?? null)
  return same
}

/** The better first. */
function order(a: Found, b: Found): number {
  return b.common - a.common || Number(a.otherPage) - Number(b.otherPage) || a.distance - b.distance
}

async function* passagesOf(
  pool: Pool,
  versionId: string,
  readingId: number,
  signal: AbortSignal,
): AsyncGenerator<Row> {
  for (let last = -1; ; ) {
    signal.throwIfAborted()
    const { rows } = await pool.query<Row & { readonly ordinal: number }>(
      `SELECT p.id, p.page, p.text, p.ordinal, p.ordinal::float8 / greatest(vr.passages, 1) AS place
       FROM passages p JOIN version_readings vr ON vr.version_id = p.version_id AND vr.reading_id = p.reading_id
       WHERE p.version_id = $1 AND p.reading_id = $2 AND p.ordinal > $3 ORDER BY p.ordinal LIMIT ${PORTION}`,
      [versionId, readingId, last],
    )
    yield* rows
    const end = rows.at(-1)
    if (end === undefined) return
    last = end.ordinal
  }
}

/** Words, without case, with how often each occurs. */
function bagOf(text: string): Map<string, number> {
  const bag = new Map<string, number>()
  for (const word of wordsOf(text.normalize('NFKC').toLowerCase())) bag.set(word, (bag.get(word) ?? 0) + 1)
  return bag
}

function sizeOf(bag: ReadonlyMap<string, number>): number {
  return [...bag.values()].reduce((sum, n) => sum + n, 0)
}

function* wordsOf(text: string): Generator<string> {
  for (const [run] of text.matchAll(WORD))
    if (WITHOUT_SPACES.test(run)) {
      for (const { segment, isWordLike } of segmenter.segment(run)) if (isWordLike) yield segment
    } else yield run
}
