// A chat: its turns, the composer, and the source that is open beside them.
import { ArrowDown } from 'lucide-react'
import { useRouter } from 'next/router'
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useSlash } from '../search/use-slash.ts'
import type { OpenSource } from '../source/open-source.ts'
import { hasFinePointer } from '../source/use-wide.ts'
import { addFilesToChat } from './add-files.ts'
import type { Citation } from './answer.ts'
import { AnswerMessage, loadMarkdown } from './answer-message.tsx'
import { ChatHeader } from './chat-header.tsx'
import { Composer, type ComposerHandle } from './composer.tsx'
import { useDirectPrefetch } from './direct-path.ts'
import { useDraft } from './draft.ts'
import { DropZone } from './drop-zone.tsx'
import { FailureLine } from './failure-line.tsx'
import { ModelSelector } from './model-selector.tsx'
import { chosenModel, modelName } from './models.ts'
import { Question } from './question.tsx'
import { ScopePicker } from './scope-picker.tsx'
import { sourceName } from './source-list.tsx'
import { turnsOf } from './turns.ts'
import type { Chat, Message } from './types.ts'
import { useChatFiles } from './use-chat-files.ts'
import { useConversation } from './use-conversation.ts'
import { useTurnScroll } from './use-turn-scroll.ts'

const ChatFiles = lazy(() => import('./chat-files.tsx'))
const SourcePane = lazy(() => import('../source/source-pane.tsx'))

interface Opened {
  readonly answerId: string
  readonly number: number
  readonly source: OpenSource
}

export function Conversation({ chat }: { chat: Chat }) {
  const conversation = useConversation(chat)
  const { ask, retry, pending } = conversation
  const [draft, setDraft] = useDraft(chat.id)
  const latestDraft = useRef(draft)
  latestDraft.current = draft
  const composer = useRef<ComposerHandle>(null)
  const models = trpc.models.list.useQuery()
  const files = useChatFiles(chat.ownCollectionId).length
  const turns = useMemo(() => turnsOf(chat.messages), [chat.messages])
  const scroll = useTurnScroll(turns.length + (pending === null ? 0 : 1))
  const { opened, open, close } = useOpenedSource()
  const model = chosenModel(chat.model, models.data)
  const nameOf = (id: string | null | undefined) => (id ? modelName(id, models.data) : null)
  useDirectPrefetch(model, models.data)
  useEffect(() => {
    // Fetched before the first token needs it; that it does not come is said when it is drawn.
    loadMarkdown().catch(() => undefined)
  }, [])

  const router = useRouter()
  useSlash(() => void router.push('/search'))
  const utils = trpc.useUtils()
  const failed = turns.at(-1)?.answer?.attempt?.state === 'failed'
  useEffect(() => {
    // Its model may not be the default any more.
    if (failed) void utils.models.list.invalidate()
  }, [failed, utils])
  const addFiles = (list: File[]) => void addFilesToChat(utils, chat.id, list)
  const send = async () => {
    const text = draft.trim()
    setDraft('')
    if (!(await ask(text, model))) {
      // Back to where it was written, before what was written meanwhile.
      setDraft([text, latestDraft.current].filter((part) => part !== '').join('\n'))
    }
    if (hasFinePointer()) composer.current?.focus()
  }
  const onRetry = useCallback((answerId: string) => void retry(answerId), [retry])

  return (
    <div className="flex h-full min-h-0">
      <DropZone onFiles={addFiles}>
        <ChatHeader
          id={chat.id}
          // Until it has a title, its first question stands for it.
          title={chat.title === '' ? (turns[0]?.question.text ?? pending ?? '') : chat.title}
        />
        <div
          ref={scroll.column}
          className="relative min-h-0 flex-1 overflow-y-auto overscroll-contain [container-type:size]"
        >
          <div ref={scroll.content} role="log" aria-live="off" aria-label={t('chat.conversation')}>
            {turns.length === 0 && pending === null && (
              <p className="mx-auto max-w-3xl px-4 py-10 text-ink-soft sm:px-6">{t('chat.empty')}</p>
            )}
            {turns.map(({ question, answer }, n) => {
              const isLast = n === turns.length - 1 && pending === null
              return (
                <Turn key={question.id} isLast={isLast} ref={isLast ? scroll.lastTurn : undefined}>
                  <Question text={question.text} />
                  {answer !== null && (
                    <AnswerMessage
                      chatId={chat.id}
                      question={question.text}
                      message={answer}
                      modelName={nameOf(answer.attempt?.model)}
                      askedName={nameOf(answer.attempt?.askedModel)}
                      isLast={isLast}
                      retrying={conversation.retryingId === answer.id}
                      onRetry={onRetry}
                      openNumber={opened?.answerId === answer.id ? opened.number : null}
                      onOpen={open}
                    />
                  )}
                </Turn>
              )
            })}
            {pending !== null && (
              <Turn isLast ref={scroll.lastTurn}>
                <Question text={pending} />
              </Turn>
            )}
          </div>
        </div>
        <div className="relative shrink-0 px-3 pb-3 sm:px-6 sm:pb-5">
          {!scroll.atEnd && (
            <button
              type="button"
              aria-label={t('chat.toLatest')}
              title={t('chat.toLatest')}
              onClick={scroll.toEnd}
              className="absolute -top-12 left-1/2 flex size-9 -translate-x-1/2 animate-appear items-center justify-center rounded-full border border-line bg-surface text-ink-soft shadow-float hover:text-ink"
            >
              <ArrowDown className="size-4" />
            </button>
          )}
          <div className="mx-auto max-w-3xl">
            <FailureLine failure={conversation.failure} onDismiss={conversation.clearFailure} />
            <Composer
              ref={composer}
              text={draft}
              onText={setDraft}
              onSend={() => void send()}
              placeholder={turns.length === 0 ? t('chat.placeholder') : t('chat.placeholderFollowUp')}
              sending={pending !== null}
              answering={conversation.runningId !== null}
              stopping={conversation.stopping}
              onStop={() => void conversation.stop()}
              onFiles={addFiles}
              files={
                chat.ownCollectionId !== null && (
                  <Suspense fallback={null}>
                    <ChatFiles collectionId={chat.ownCollectionId} />
                  </Suspense>
                )
              }
              controls={
                <>
                  <ScopePicker
                    scope={{ collectionIds: chat.collectionIds, documentId: chat.documentId }}
                    onScope={(scope) => void conversation.setScope(scope)}
                    files={files}
                  />
                  <ModelSelector model={chat.model} onModel={(id) => void conversation.setModel(id)} />
                </>
              }
              autoFocus
            />
          </div>
        </div>
      </DropZone>
      {opened !== null && (
        <Suspense fallback={null}>
          <SourcePane source={opened.source} onClose={close} />
        </Suspense>
      )}
    </div>
  )
}

function Turn({
  isLast,
  ref,
  children,
}: {
  isLast: boolean
  ref?: React.Ref<HTMLDivElement> | undefined
  children: React.ReactNode
}) {
  return (
    <div
      ref={ref}
      // The last one fills the view, so that its question can stand at the top.
      className={`mx-auto max-w-3xl px-4 pt-6 pb-4 sm:px-6 ${isLast ? 'min-h-[100cqh]' : ''}`}
    >
      {children}
    </div>
  )
}

/** The source beside the answer; closing gives the focus back to what opened it. */
function useOpenedSource() {
  const [opened, setOpened] = useState<Opened | null>(null)
  const opener = useRef<Element | null>(null)
  const open = useCallback((message: Message, citation: Citation) => {
    opener.current = document.activeElement
    setOpened((now) =>
      // The same number again closes it.
      now?.answerId === message.id && now.number === citation.number
        ? null
        : { answerId: message.id, number: citation.number, source: sourceOf(citation) },
    )
  }, [])
  const close = useCallback(() => {
    setOpened(null)
    if (opener.current instanceof HTMLElement && opener.current.isConnected) opener.current.focus()
  }, [])
  return { opened, open, close }
}

function sourceOf(citation: Citation): OpenSource {
  const { documentId, versionId, readingId, page, charStart, charEnd, available } = citation
  return {
    documentId,
    documentName: sourceName(citation),
    versionId,
    readingId,
    page,
    start: charStart,
    end: charEnd,
    available,
  }
}
