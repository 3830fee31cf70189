import { addSentences, t } from '../../../lib/t.ts'
import { direct } from '../../../locales/en/direct.ts'
import type { AnswerPath } from '../watch-answer.ts'

addSentences(direct)

/** How a running answer comes, where that is not as usual. */
export default function PathNote({ path }: { path: Exclude<AnswerPath, 'relayed'> }) {
  return (
    <p data-answer-path={path} className="mt-3 animate-appear text-xs text-ink-soft">
      {path === 'direct' ? t('direct.streaming') : t('direct.fallback')}
    </p>
  )
}
