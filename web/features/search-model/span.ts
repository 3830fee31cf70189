import { LOCALE } from '../../lib/t.ts'

/** "40 seconds", "3 minutes", "2.5 hours": as exact as an estimate is. */
export function formatSpan(seconds: number): string {
  const [unit, size, digits] =
    seconds < 90
      ? (['second', 1, 0] as const)
      : seconds < 90 * 60
        ? (['minute', 60, 0] as const)
        : seconds < 36 * 3_600
          ? (['hour', 3_600, 1] as const)
          : (['day', 86_400, 1] as const)
  const step = unit === 'second' ? 10 : 1
  return new Intl.NumberFormat(LOCALE, {
    ...{ style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: digits },
  }).format(unit === 'second' ? Math.max(step, Math.ceil(seconds / step) * step) : seconds / size)
}
