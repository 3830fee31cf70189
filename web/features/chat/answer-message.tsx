// One answer: what is happening, the text as it streams, its sources, how it ended and what can be done next.
import { Check, Copy, RefreshCw } from 'lucide-react'
import { lazy, memo, Suspense, useEffect, useMemo, useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import { type AnswerView, type Citation, hasEnded } from './answer.ts'
import { Caveats, Ending, Notice } from './answer-ending.tsx'
import { AnswerStatus, heardWords } from './answer-status.tsx'
import { answerAsText } from './answer-text.ts'
import { type AnswerSources, AnswerSourcesContext } from './markdown/citation-button.tsx'
import { SourceList } from './source-list.tsx'
import type { Message } from './types.ts'
import { useAnswer } from './use-answer.ts'

export const loadMarkdown = () => import('./markdown/answer-markdown.tsx')
const AnswerMarkdown = lazy(loadMarkdown)
const QuoteCards = lazy(() => import('./quote-cards.tsx'))
const PathNote = lazy(() => import('./direct/path-note.tsx'))
const UnverifiedMark = lazy(() => import('./direct/unverified-mark.tsx'))

interface Props {
  chatId: string
  question: string
  message: Message
  modelName: string | null
  /** The model that was to answer; null when that is not known. */
  askedName: string | null
  /** Only the last answer can be written again: what follows an answer was asked knowing it. */
  isLast: boolean
  retrying: boolean
  onRetry: (answerId: string) => void
  /** The number of this answer's source that is open beside it. */
  openNumber: number | null
  onOpen: (message: Message, citation: Citation) => void
}

export const AnswerMessage = memo(function AnswerMessage(props: Props) {
  const { chatId, question, message, isLast, openNumber, onOpen } = props
  const { view, connection, path } = useAnswer(chatId, message)
  const running = !hasEnded(view.state)
  const heard = useHeard(view, running)
  const { citations } = view
  const sources = useMemo<AnswerSources>(
    () => ({
      find: (number) => citations.find((citation) => citation.number === number),
      openNumber,
      open(number) {
        const citation = citations.find((candidate) => candidate.number === number)
        if (citation !== undefined) onOpen(message, citation)
      },
    }),
    [citations, openNumber, onOpen, message],
  )
  // Without a language model, or when none could answer, the sources are the answer.
  const quotesOnly = view.state === 'done' && view.text === ''

  return (
    <article
      aria-label={t('answer.label')}
      data-answer={message.id}
      data-state={view.state}
      className="min-w-0"
    >
      <AnswerStatus view={view} connection={connection} />
      {view.text !== '' && (
        <AnswerSourcesContext value={sources}>
          <div data-answer-text className="text-base leading-7 text-pretty">
            <Suspense fallback={<p className="whitespace-pre-wrap">{view.text}</p>}>
              <AnswerMarkdown
                text={view.text}
                streaming={running}
                numbers={running ? null : citations.map((citation) => citation.number)}
              />
            </Suspense>
          </div>
        </AnswerSourcesContext>
      )}
      {quotesOnly && (
        <Suspense fallback={null}>
          <QuoteCards
            citations={citations}
            question={question}
            openNumber={openNumber}
            onOpen={sources.open}
          />
        </Suspense>
      )}
      {!running && !quotesOnly && (
        <SourceList citations={citations} openNumber={openNumber} onOpen={sources.open} />
      )}
      {running && path !== 'relayed' && (
        <Suspense fallback={null}>
          <PathNote path={path} />
        </Suspense>
      )}
      {connection === 'gone' && <Notice tone="warn">{t('answer.gone')}</Notice>}
      {!running && <Ending view={view} />}
      {!running && <Caveats view={view} />}
      {!running && <Actions {...props} view={view} canRetry={isLast} />}
      <span role="status" className="sr-only">
        {heard}
      </span>
    </article>
  )
})

/** Words for the live region: only for an answer that ran while this page was open, or loading a chat would talk. */
function useHeard(view: AnswerView, running: boolean): string {
  const [ran, setRan] = useState(running)
  useEffect(() => {
    if (running) setRan(true)
  }, [running])
  return ran ? heardWords(view) : ''
}

function Actions({
  view,
  message,
  modelName,
  askedName,
  canRetry,
  retrying,
  onRetry,
}: Props & { view: AnswerView; canRetry: boolean }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(answerAsText(view))
      setCopied(true)
      setTimeout(() => setCopied(false), 2_000)
    } catch {
      showToast(t('answer.copyFailed'), 'failed')
    }
  }
  const hasContent = view.text !== '' || view.citations.length > 0
  const succeeded = view.state === 'done'
  return (
    <div className="mt-3 -ml-2 flex min-h-8 items-center gap-1">
      {hasContent && (
        <IconButton
          size="small"
          label={copied ? t('answer.copied') : t('answer.copy')}
          icon={copied ? <Check className="size-4 text-accent" /> : <Copy className="size-4" />}
          onClick={copy}
        />
      )}
      {canRetry &&
        (succeeded ? (
          <IconButton
            size="small"
            label={t('answer.again')}
            icon={<RefreshCw className={cx('size-4', retrying && 'animate-spin')} />}
            aria-disabled={retrying}
            onClick={() => retrying || onRetry(message.id)}
          />
        ) : (
          <Button
            size="small"
            className="ml-2"
            busy={retrying}
            icon={<RefreshCw className="size-4" />}
            onClick={() => onRetry(message.id)}
          >
            {t('answer.retry')}
          </Button>
        ))}
      {modelName !== null && (
        <span data-answered-by className="mx-1.5 min-w-0 text-xs text-pretty text-ink-soft">
          {succeeded && askedName !== null && askedName !== modelName
            ? t('answer.instead', { model: modelName, asked: askedName })
            : modelName}
        </span>
      )}
      {view.unverified && (
        <Suspense fallback={null}>
          <UnverifiedMark />
        </Suspense>
      )}
    </div>
  )
}
