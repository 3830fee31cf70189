// The files of a chat, above its composer: each with the stage it is in, until it can be asked.
import { CircleAlert, FileText, RefreshCw, X } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Spinner } from '../../components/ui/spinner.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { cx } from '../../lib/cx.ts'
import { failureFromBody, toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { type ChatUpload, dismissUpload, retryUpload, useChatUploads } from './chat-uploads.ts'
import { isWorking, stageWords } from './stage-words.ts'

type Item = Outputs['documents']['list']['items'][number]

/** Files that are shown before the rest is folded away. */
const SHOWN = 4
/** Milliseconds between looks while a file is being read. */
const REFRESH = 1_000

export function ChatFiles({ chatId, collectionId }: { chatId: string; collectionId: string | null }) {
  const [all, setAll] = useState(false)
  const uploads = useChatUploads(chatId)
  const documents = trpc.documents.list.useQuery(
    { collectionId: collectionId ?? '', limit: 100 },
    {
      enabled: collectionId !== null,
      refetchInterval: ({ state }) => (state.data?.items.some(isWorking) ? REFRESH : false),
    },
  )
  const items = documents.data?.items ?? []
  const count = uploads.length + items.length
  if (count === 0) return null
  const rows = [
    ...uploads.map((upload) => <UploadRow key={upload.id} upload={upload} />),
    ...items.map((item) => <FileRow key={item.id} item={item} />),
  ]
  return (
    <div className="border-b border-line px-2 pt-2 pb-1.5">
      <ul className="flex max-h-40 flex-wrap gap-1.5 overflow-y-auto" aria-label={t('chat.files', { count })}>
        {all ? rows : rows.slice(0, SHOWN)}
      </ul>
      {count > SHOWN && (
        <button
          type="button"
          aria-expanded={all}
          onClick={() => setAll(!all)}
          className="mt-1 rounded px-1 text-xs font-medium text-ink-soft hover:text-ink"
        >
          {all ? t('answer.less') : t('chat.files', { count })}
        </button>
      )}
    </div>
  )
}

function UploadRow({ upload }: { upload: ChatUpload }) {
  const utils = trpc.useUtils()
  const { file, failure, sent } = upload
  const words =
    failure !== null
      ? failure.message
      : sent === null
        ? t('chat.fileWaiting')
        : t('chat.fileUploading', { percent: Math.floor(sent * 100) })
  return (
    <Row
      name={file.name}
      words={words}
      state={failure === null ? 'working' : 'failed'}
      actions={
        failure !== null && (
          <>
            {failure.code === 'NETWORK' && (
              <RowButton
                label={t('chat.fileRetry', { name: file.name })}
                onClick={() => void retryUpload(utils, upload)}
                icon={<RefreshCw className="size-3.5" />}
              />
            )}
            <RowButton
              label={t('chat.fileDismiss', { name: file.name })}
              onClick={() => dismissUpload(upload.id)}
              icon={<X className="size-3.5" />}
            />
          </>
        )
      }
    />
  )
}

function FileRow({ item }: { item: Item }) {
  const utils = trpc.useUtils()
  const onError = (error: unknown) => showToast(toFailure(error).message, 'failed')
  const onSuccess = () => utils.documents.list.invalidate({ collectionId: item.collectionId })
  const remove = trpc.documents.delete.useMutation({ onSuccess, onError })
  const retry = trpc.documents.retry.useMutation({ onSuccess, onError })
  const { version } = item
  const failed = version.stage === 'attention' || version.stage === 'cancelled'
  const words =
    version.error === null
      ? stageWords(version)
      : (failureFromBody(version.error)?.message ?? version.error.message)
  return (
    <Row
      name={item.name}
      words={words}
      state={failed ? 'failed' : isWorking(item) ? 'working' : 'ready'}
      actions={
        <>
          {failed && version.error?.code !== 'DUPLICATE' && (
            <RowButton
              label={t('chat.fileRetry', { name: item.name })}
              onClick={() => retry.mutate({ id: item.id })}
              icon={<RefreshCw className="size-3.5" />}
            />
          )}
          <RowButton
            label={t('chat.fileRemove', { name: item.name })}
            onClick={() => remove.mutate({ id: item.id })}
            icon={<X className="size-3.5" />}
          />
        </>
      }
    />
  )
}

function Row({
  name,
  words,
  state,
  actions,
}: {
  name: string
  words: string
  state: 'working' | 'ready' | 'failed'
  actions: ReactNode
}) {
  return (
    <li
      data-file-state={state}
      className={cx(
        'flex max-w-full min-w-0 items-center gap-2 rounded-lg py-1 pr-1 pl-2.5 text-sm',
        state === 'failed' ? 'bg-danger-soft' : 'bg-sunken',
      )}
    >
      {state === 'working' ? (
        <Spinner className="shrink-0 text-accent" />
      ) : state === 'failed' ? (
        <CircleAlert aria-hidden className="size-4 shrink-0 text-danger" />
      ) : (
        <FileText aria-hidden className="size-4 shrink-0 text-accent" />
      )}
      <span className="min-w-0 leading-tight">
        <span className="block max-w-56 truncate" title={name}>
          {name}
        </span>
        <span className={cx('block text-xs text-ink-soft', state !== 'failed' && 'max-w-56 truncate')}>
          {words}
        </span>
      </span>
      <span className="flex shrink-0">{actions}</span>
    </li>
  )
}

function RowButton({ label, icon, onClick }: { label: string; icon: ReactNode; onClick: () => void }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      onClick={onClick}
      className="rounded-md p-1.5 text-ink-soft hover:bg-hover hover:text-ink"
    >
      {icon}
    </button>
  )
}
