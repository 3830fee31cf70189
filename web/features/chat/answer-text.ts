import { t } from '../../lib/t.ts'
import type { AnswerView } from './answer.ts'

/** What "copy" puts on the clipboard: the answer as it was written, then its sources by number. */
export function answerAsText(view: AnswerView): string {
  const quotesOnly = view.text === ''
  const sources = view.citations.map((citation) => {
    const place = citation.available
      ? `[${citation.number}] ${citation.documentName}, ${t('answer.page', { page: citation.page })}`
      : `[${citation.number}] ${t('source.gone')}`
    if (!quotesOnly) return place
    return `${place}\n${citation.quote ?? t('answer.quoteGone')}\n`
  })
  const parts = quotesOnly ? sources : [view.text.trim(), '', ...sources]
  return parts.join('\n').trim()
}
