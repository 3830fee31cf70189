// Why what the methods found can't be compared as it stands, in a sentence above it.
import { t } from '../../lib/t.ts'

interface Props {
  /** The search engine is away: what stands in for it was asked. */
  away: boolean
  /** By meaning nothing was found, for want of an answer. */
  noMeaning?: boolean
}

export function BenchCaveat({ away, noMeaning = false }: Props) {
  if (!away && !noMeaning) return null
  return (
    <p className="rounded-xl bg-warn-soft px-4 py-3 text-sm text-warn">
      {t(away ? 'testBench.engineAway' : 'testBench.noMeaning')}
    </p>
  )
}
