// Which of the weaknesses that are known stop an image: those that are bad, or of which nobody knows how bad they are,
// and that would be gone with a newer version. What nothing can be done about stops nobody; a person may let one pass.
import { Problem } from '../../local/problem.ts'
import type { Finding } from './finding.ts'
import type { Waiver } from './waivers.ts'

const DAY_MS = 86_400_000
const MOST_DAYS = 90

export interface Verdict {
  readonly blocking: readonly Finding[]
  readonly waived: readonly { readonly finding: Finding; readonly waiver: Waiver }[]
  /** Known, and passed: not bad, or without a cure. */
  readonly others: readonly Finding[]
  /** Waivers whose time is over; what they were for blocks again. */
  readonly expired: readonly Waiver[]
  /** Waivers for what is in no image. */
  readonly idle: readonly Waiver[]
}

/**
 * @param complete whether every source was asked: only then a waiver is known to be for nothing
 * @throws Problem when a waiver has no last day, or one that is too far away
 */
export function judge(
  findings: readonly Finding[],
  waivers: readonly Waiver[],
  now: Date,
  complete: boolean,
): Verdict {
  for (const waiver of waivers) requireSoon(waiver, now)
  const isFor = (finding: Finding) => (waiver: Waiver) =>
    waiver.id === finding.id && waiver.package === finding.package
  const isOver = ({ until }: Waiver) => endOf(until) <= now.getTime()
  const bad = findings.filter(isBad)
  const waived = bad.flatMap((finding) => {
    const waiver = waivers.find((one) => isFor(finding)(one) && !isOver(one))
    return waiver === undefined ? [] : [{ finding, waiver }]
  })
  const passed = new Set(waived.map(({ finding }) => finding))
  const isUsed = (waiver: Waiver) => bad.some((finding) => isFor(finding)(waiver))
  return {
    blocking: bad.filter((finding) => !passed.has(finding)),
    waived,
    others: findings.filter((finding) => !isBad(finding)),
    expired: waivers.filter((waiver) => isOver(waiver) && isUsed(waiver)),
    idle: complete ? waivers.filter((waiver) => !isUsed(waiver)) : [],
  }
}

const isBad = ({ severity, fixed }: Finding): boolean =>
  fixed !== undefined && ['high', 'critical', 'unknown'].includes(severity)

const endOf = (day: string): number => Date.parse(`${day}T00:00:00Z`) + DAY_MS

function requireSoon({ id, until }: Waiver, now: Date): void {
  const end = /^\d{4}-\d{2}-\d{2}$/.test(until) ? endOf(until) : Number.NaN
  if (end - now.getTime() <= (MOST_DAYS + 1) * DAY_MS) return
  throw new Problem(
    `The waiver of ${id} in ami/scan/waivers.ts is until ${until}: a waiver has a day (YYYY-MM-DD), at most ${MOST_DAYS} days away.`,
    'Give it one that is nearer; whoever looks then may give it another.',
  )
}

/** What is to be said, a line each. */
export function linesOf({ blocking, waived, others, expired, idle }: Verdict): string[] {
  const text = ({ id, package: name, version, severity, fixed }: Finding) =>
    `${id} of ${name} ${version}, ${severity === 'unknown' ? 'of unknown severity' : severity}${fixed === undefined ? '' : `; fixed: ${fixed}`}`
  return [
    ...blocking.map((one) => `weakness: ${text(one)}`),
    ...waived.map(
      ({ finding, waiver }) => `waived until ${waiver.until}: ${text(finding)} (${waiver.reason})`,
    ),
    ...expired.map(({ id, package: name, until }) => `the waiver of ${id} of ${name} was until ${until}`),
    ...idle.map(({ id, package: name }) => `a waiver is for nothing any more: ${id} of ${name}`),
    ...(others.length > 0 ? [`${others.length} more that are not bad, or that nothing is fixed of yet`] : []),
  ]
}
