// Where a chat begins: what to ask, and the first question. The chat itself is made when there is one.
import { Library } from 'lucide-react'
import Head from 'next/head'
import Link from 'next/link'
import { useRouter } from 'next/router'
import { useEffect, useRef, useState } from 'react'
import { LIMITS } from '../../../contract/limits.ts'
import { buttonLook } from '../../components/ui/button.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { type Failure, toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useSlash } from '../search/use-slash.ts'
import { addFilesToChat } from './add-files.ts'
import { withQuestion } from './chat-cache.ts'
import { Composer, type ComposerHandle } from './composer.tsx'
import { directPath, useDirectPrefetch } from './direct-path.ts'
import { useDraft } from './draft.ts'
import { DropZone } from './drop-zone.tsx'
import { FailureLine } from './failure-line.tsx'
import { ModelSelector } from './model-selector.tsx'
import { chosenModel } from './models.ts'
import { NoModelNotice } from './no-model-notice.tsx'
import { newRequestId } from './request-id.ts'
import type { Scope } from './scope.ts'
import { ScopePicker } from './scope-picker.tsx'

/** @param asked what an address asked for: one document, or one collection */
export function NewChat({ asked }: { asked: { documentId?: string; collectionId?: string } }) {
  const router = useRouter()
  useSlash(() => void router.push('/search'))
  const utils = trpc.useUtils()
  const collections = trpc.collections.list.useQuery()
  const models = trpc.models.list.useQuery()
  const [chosen, setChosen] = useState<Scope | null>(null)
  const [wantedModel, setWantedModel] = useState<string | null>(null)
  const [draft, setDraft] = useDraft('new')
  const [sending, setSending] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)
  const composer = useRef<ComposerHandle>(null)
  // Kept over a failed question, so that trying again makes no second chat and no second question.
  const begun = useRef<{ chatId: string; scope: Scope; text: string; requestId: string } | null>(null)
  const create = trpc.chats.create.useMutation()
  const ask = trpc.chats.ask.useMutation()

  const scope = chosen ?? defaultScope(asked, collections.data ?? [])
  const model = chosenModel(wantedModel, models.data)
  useDirectPrefetch(model, models.data)
  const documentName = trpc.documents.get.useQuery(
    { id: scope.documentId ?? '' },
    { enabled: scope.documentId !== null },
  ).data?.name
  const nothingToAsk =
    collections.isSuccess &&
    scope.documentId === null &&
    collections.data.every((collection) => collection.documents === 0)

  useEffect(() => {
    void router.prefetch('/chats/[id]')
  }, [router])

  const createChat = async (wanted: Scope): Promise<string> => {
    const { id } = await create.mutateAsync({
      collectionIds: [...wanted.collectionIds],
      ...(wanted.documentId !== null && { documentId: wanted.documentId }),
      ...(wantedModel !== null && { model: wantedModel }),
    })
    return id
  }

  const send = async () => {
    const text = draft.trim()
    setSending(true)
    setFailure(null)
    try {
      // Someone may be faster than the list of collections is here.
      const scope = chosen ?? defaultScope(asked, await utils.collections.list.ensureData())
      if (begun.current?.text !== text || !sameScope(begun.current.scope, scope)) {
        begun.current = { chatId: await createChat(scope), scope, text, requestId: newRequestId() }
      }
      const { chatId, requestId } = begun.current
      const direct = await directPath(model, models.data)
      const ids = await ask.mutateAsync({ chatId, text, model, requestId, direct: direct !== undefined })
      if (ids.direct) direct?.beginDirect(utils.client, { chatId, ...ids, number: 1 })
      setDraft('')
      utils.chats.get.setData(
        { id: chatId },
        withQuestion(
          {
            id: chatId,
            title: '',
            model: wantedModel,
            collectionIds: [...scope.collectionIds],
            documentId: scope.documentId,
            ownCollectionId: null,
            messages: [],
          },
          text,
          model,
          ids,
        ),
      )
      void utils.chats.list.invalidate()
      await router.push(`/chats/${chatId}`)
    } catch (error) {
      setFailure(toFailure(error))
      setSending(false)
      composer.current?.focus()
    }
  }

  const addFiles = async (files: File[]) => {
    if (sending) return
    setSending(true)
    try {
      // Files are what this chat is about: other collections are asked only when they were chosen.
      const chatId = await createChat(chosen ?? { collectionIds: [], documentId: null })
      void addFilesToChat(utils, chatId, files)
      void utils.chats.list.invalidate()
      await router.push(`/chats/${chatId}`)
    } catch (error) {
      showToast(toFailure(error).message, 'failed')
      setSending(false)
    }
  }

  return (
    <DropZone onFiles={(files) => void addFiles(files)}>
      <Head>
        <title>{t('app.title', { title: t('chat.new') })}</title>
      </Head>
      <div className="flex min-h-full flex-col overflow-y-auto px-3 sm:px-6">
        <div className="mx-auto flex w-full max-w-3xl flex-1 flex-col justify-center gap-6 py-8 sm:pb-[14vh]">
          <div className="px-1">
            <h1 className="text-2xl font-semibold tracking-tight text-balance sm:text-3xl">
              {t('chat.newTitle')}
            </h1>
            <p className="mt-2 text-pretty text-ink-soft">
              {nothingToAsk ? t('chat.nothingToAskHint') : t('chat.newHint')}
            </p>
          </div>
          <div>
            <FailureLine failure={failure} onDismiss={() => setFailure(null)} />
            <Composer
              ref={composer}
              text={draft}
              onText={setDraft}
              onSend={() => void send()}
              placeholder={
                documentName === undefined
                  ? t('chat.placeholder')
                  : t('chat.placeholderDocument', { name: documentName })
              }
              sending={sending}
              answering={false}
              stopping={false}
              onStop={() => undefined}
              blocked={nothingToAsk ? t('chat.nothingToAsk') : null}
              onFiles={(files) => void addFiles(files)}
              controls={
                <>
                  <ScopePicker scope={scope} onScope={setChosen} files={0} />
                  <ModelSelector model={wantedModel} onModel={setWantedModel} />
                </>
              }
              autoFocus
            />
          </div>
          {nothingToAsk ? (
            <div className="flex flex-wrap items-center gap-3 rounded-xl border border-line bg-surface px-4 py-3">
              <Library aria-hidden className="size-5 text-accent" />
              <p className="min-w-0 flex-1 font-medium">{t('chat.nothingToAsk')}</p>
              <Link href="/collections" className={buttonLook('primary', 'small')}>
                {t('chat.toCollections')}
              </Link>
            </div>
          ) : (
            <NoModelNotice />
          )}
        </div>
      </div>
    </DropZone>
  )
}

function defaultScope(
  asked: { documentId?: string; collectionId?: string },
  collections: readonly { readonly id: string; readonly documents: number }[],
): Scope {
  if (asked.documentId !== undefined) return { collectionIds: [], documentId: asked.documentId }
  if (asked.collectionId !== undefined) return { collectionIds: [asked.collectionId], documentId: null }
  const ids = collections.map((collection) => collection.id).slice(0, LIMITS.collectionsPerChat)
  return { collectionIds: ids, documentId: null }
}

function sameScope(a: Scope, b: Scope): boolean {
  return a.documentId === b.documentId && a.collectionIds.join() === b.collectionIds.join()
}
