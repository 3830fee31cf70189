import { t } from '../../lib/t.ts'
import { BenchCaveat } from './bench-caveat.tsx'
import { METHODS } from './compare.ts'
import { type Checked, MEASURES, type Measure, meanOf } from './means.ts'

const NAMES = {
  'nDCG@10': 'testBench.ndcg',
  'recall@10': 'testBench.recall',
  'MRR@10': 'testBench.mrr',
} as const
const three = new Intl.NumberFormat('en', { minimumFractionDigits: 3, maximumFractionDigits: 3 })

interface Props {
  checked: readonly Checked[]
  failed: number
  collectionId: string
}

export function MeansTable({ checked, failed, collectionId }: Props) {
  const show = (method: (typeof METHODS)[number], measure: Measure) => {
    const mean = meanOf(checked, method, measure)
    return mean === null ? t('search.notMeasured') : three.format(mean)
  }
  return (
    <div className="flex flex-col gap-2 rounded-xl border border-line bg-surface px-4 py-3">
      <p role="status" className="text-sm">
        {t('testBench.checked', { count: checked.length })}
        {failed > 0 && <span className="text-warn"> · {t('testBench.failed', { count: failed })}</span>}
      </p>
      <BenchCaveat away={checked.some(({ wordsOnly }) => wordsOnly === 'engine-away')} />
      <div className="overflow-x-auto">
        <table className="w-full text-sm">
          <thead className="text-left text-ink-soft">
            <tr>
              <th scope="col" className="py-1 pr-4 font-medium">
                {t('testBench.measure')}
              </th>
              {METHODS.map((method) => (
                <th key={method} scope="col" className="py-1 pl-4 text-right font-medium">
                  {t(`search.${method}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {MEASURES.map((measure) => (
              <tr key={measure} className="border-t border-line">
                <th scope="row" className="py-1.5 pr-4 text-left font-normal">
                  {t(NAMES[measure])}
                </th>
                {METHODS.map((method) => (
                  <td key={method} className="py-1.5 pl-4 text-right tabular-nums">
                    {show(method, measure)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="text-xs text-ink-soft">
        {t('testBench.scale')} {t('testBench.command', { id: collectionId })}
      </p>
    </div>
  )
}
