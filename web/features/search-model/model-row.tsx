import { CircleAlert } from 'lucide-react'
import { Badge, type Tone } from '../../components/ui/badge.tsx'
import { Progress } from '../../components/ui/progress.tsx'
import { errorSentence, t } from '../../lib/t.ts'
import { isWorthReadingAnew } from './choices.ts'
import { RowActions } from './row-actions.tsx'
import type { Generation, Overview, Row, RowState } from './rows.ts'
import { formatSpan } from './span.ts'
import { parserText, passagesText, progressText, shareDone, titleOf } from './wording.ts'

const TONES: Record<RowState, Tone> = {
  active: 'accent',
  ready: 'accent',
  building: 'neutral',
  paused: 'warn',
  previous: 'neutral',
  removing: 'neutral',
  available: 'neutral',
  missing: 'danger',
}

/** One search model: what it is, how it stands, and what can be done with it. */
export function ModelRow({ row, overview }: { row: Row; overview: Overview }) {
  const { name, host, dimensions, state, generation } = row
  const facts = [
    // First what tells two rows of the same model apart.
    generation === null ? null : passagesText(generation.passageTokens),
    generation === null ? null : parserText(generation, overview),
    row.embedder === null ? null : host === null ? t('searchModel.here') : t('searchModel.at', { host }),
    dimensions === null ? null : t('searchModel.dimensions', { count: dimensions }),
    state === 'active' ? t('searchModel.count', { count: generation?.passages ?? 0 }) : null,
  ].filter((fact) => fact !== null)
  return (
    <li className="flex flex-col gap-3 rounded-2xl border border-line bg-surface p-4 shadow-soft">
      <div className="flex flex-wrap items-start gap-x-3 gap-y-2">
        <div className="min-w-0 flex-1 basis-56">
          <h2 className="flex flex-wrap items-center gap-2 font-semibold">
            <span className="min-w-0 break-words">{name}</span>
            <span role="status">
              <Badge tone={TONES[state]}>{t(`searchModel.state.${state}`)}</Badge>
            </span>
          </h2>
          <p className="text-sm break-words text-ink-soft">{facts.join(' · ')}</p>
        </div>
        <RowActions row={row} overview={overview} />
      </div>
      <Notes row={row} overview={overview} />
    </li>
  )
}

function Notes({ row: { state, generation, embedder }, overview }: { row: Row; overview: Overview }) {
  if (state === 'missing') return <Hint>{t('searchModel.missingHint')}</Hint>
  if (generation === null) return null
  const { ready } = generation
  const progress = progressText(generation)
  if (state === 'active') {
    if (embedder === null || embedder.dimensions === null)
      return <Problem>{t('searchModel.notConfigured')}</Problem>
    const { searchedId } = overview
    return (
      <>
        {searchedId !== null && searchedId !== generation.id && <Hint>{t('searchModel.changing')}</Hint>}
        {isWorthReadingAnew(overview, generation) && <Hint>{t('searchModel.betterParser')}</Hint>}
      </>
    )
  }
  if (state === 'removing') return <Hint>{t('searchModel.removingHint')}</Hint>
  if (state === 'ready') return <Hint>{t('searchModel.readyHint')}</Hint>
  if (state === 'previous')
    return (
      <>
        <Hint>{ready ? t('searchModel.previousHint') : t('searchModel.catchingUp', { progress })}</Hint>
        <PauseReason generation={generation} />
      </>
    )
  return (
    <div className="flex flex-col gap-1.5">
      <Progress
        label={t('searchModel.progressOf', { name: titleOf(generation, overview) })}
        value={shareDone(generation)}
        text={progress}
      />
      <p className="text-sm text-ink-soft">{[progress, ...pace(generation)].join(' · ')}</p>
      <PauseReason generation={generation} />
    </div>
  )
}

function pace({ passagesPerMinute, secondsLeft }: Generation): string[] {
  return [
    ...(passagesPerMinute === null ? [] : [t('searchModel.pace', { count: passagesPerMinute })]),
    ...(secondsLeft === null ? [] : [t('searchModel.left', { time: formatSpan(secondsLeft) })]),
  ]
}

function PauseReason({ generation: { problem } }: { generation: Generation }) {
  if (problem === null) return null
  return (
    <Problem>
      {errorSentence(problem.code, problem.detail)}{' '}
      {t(problem.code.startsWith('READING_FAILED') ? 'searchModel.againThen' : 'searchModel.again')}
    </Problem>
  )
}

const Hint = ({ children }: { children: string }) => <p className="text-sm text-ink-soft">{children}</p>

const Problem = ({ children }: { children: React.ReactNode }) => (
  <p className="flex items-start gap-1.5 text-sm text-danger">
    <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
    <span className="min-w-0">{children}</span>
  </p>
)
