// Sentences of one paragraph, by Intl.Segmenter; what it cuts after an abbreviation is put together again.
// One paragraph at a time: the segmenter's cost grows with more than the length of what it is given at once.
import type { Range } from './parse/port.ts'

/** Lower case, without the last full stop. */
const ABBREVIATIONS = new Set(
  (
    'e.g i.e cf etc vs al approx ca no nos nr fig figs eq eqs sec sect ch chap vol pp ed eds art para ref refs tab ' +
    'dr mr mrs ms prof st sr jr inc ltd co corp dept est gen gov hon rev sgt col capt lt maj rep sen ' +
    'jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri ' +
    'z.b d.h u.a bzw usw ggf evtl vgl bspw abs abb kap nr s str tel inkl zzgl m.e o.g ' +
    'p.ex p.e c.-à-d env m mme mlle art ej sra sres ud uds pág núm ecc sig sigg dott bijv enz blz'
  ).split(' '),
)

const segmenters = new Map<string, Intl.Segmenter>()

function segmenterFor(language: string): Intl.Segmenter {
  let segmenter = segmenters.get(language)
  if (segmenter === undefined) {
    segmenter = new Intl.Segmenter(language, { granularity: 'sentence' })
    segmenters.set(language, segmenter)
  }
  return segmenter
}

/** Ranges of `text` between `start` and `end`, one after the other without gaps. */
export function sentences(text: string, { start, end }: Range, language: string): Range[] {
  const paragraph = text.slice(start, end)
  const found: Range[] = []
  let open: number | undefined
  for (const { segment, index } of segmenterFor(language).segment(paragraph)) {
    open ??= index
    const until = index + segment.length
    if (until < paragraph.length && endsInAbbreviation(segment)) continue
    found.push({ start: start + open, end: start + until })
    open = undefined
  }
  return found
}

function endsInAbbreviation(segment: string): boolean {
  const last = /(?:^|[\s([{"'„“])([\p{L}.-]{1,8})\.["')\]]?\s*$/u.exec(segment)?.[1]
  if (last === undefined) return false
  // "J. Doe", "U.S. …": a single capital, or single letters with stops between them.
  return ABBREVIATIONS.has(last.toLowerCase()) || /^\p{Lu}$/u.test(last) || /^(?:\p{L}\.)+\p{L}$/u.test(last)
}
