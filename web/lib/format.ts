// Sizes and times in the reader's manner.
import { LOCALE } from './t.ts'

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const

/** "1.4 MB"; units of 1,000, as file managers show them. */
export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))
  return new Intl.NumberFormat(LOCALE, {
    style: 'unit',
    unit: UNITS[power] ?? 'byte',
    unitDisplay: power === 0 ? 'long' : 'short',
    maximumFractionDigits: power < 2 ? 0 : 1,
  }).format(bytes / 1000 ** power)
}

const STEPS = [
  ['minute', 60],
  ['hour', 3_600],
  ['day', 86_400],
] as const

/** "5 minutes ago", "yesterday", later the date. */
export function formatAgo(date: Date, now = Date.now()): string {
  const seconds = Math.round((now - date.getTime()) / 1000)
  if (seconds < 60) return new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' }).format(0, 'second')
  if (seconds > 7 * 86_400) return formatDate(date)
  const [unit, length] = STEPS.findLast(([, each]) => seconds >= each) ?? STEPS[0]
  return new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' }).format(-Math.floor(seconds / length), unit)
}

export const formatDate = (date: Date): string =>
  new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium' }).format(date)

export const formatDateTime = (date: Date): string =>
  new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'short' }).format(date)
