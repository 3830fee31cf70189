// The files of a chat, above its composer: each with the stage it is in, until it can be asked.
import { CircleAlert, FileText, RefreshCw, X } from 'lucide-react'
import { type ReactNode, useCallback, useState } from 'react'
import { Spinner } from '../../components/ui/spinner.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { cx } from '../../lib/cx.ts'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { type DocumentItem, isDuplicate, isOpen, stageText } from '../documents/stage.ts'
import type { Upload } from '../uploads/upload-queue.ts'
import { uploads, useOnAccepted, useUploads, useWarnBeforeLeaving } from '../uploads/uploads.ts'
import { useChatFiles } from './use-chat-files.ts'

/** Files that are shown before the rest is folded away. */
const SHOWN = 4

export default function ChatFiles({ collectionId }: { collectionId: string }) {
  const [all, setAll] = useState(false)
  const utils = trpc.useUtils()
  const going = useUploads(collectionId)
  const items = useChatFiles(collectionId)
  useWarnBeforeLeaving()
  useOnAccepted(
    useCallback(
      // Events tell it too; without them the row would wait.
      (upload: Upload) => void utils.documents.list.invalidate({ collectionId: upload.collectionId }),
      [utils],
    ),
  )
  const count = going.length + items.length
  if (count === 0) return null
  const rows = [
    ...going.map((upload) => <UploadRow key={upload.id} upload={upload} />),
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

function UploadRow({ upload }: { upload: Upload }) {
  const { file, failure, sent, state } = upload
  const failed = state === 'failed'
  const canRetry = failure?.code !== 'FILE_EMPTY' && failure?.code !== 'TOO_LARGE'
  const words = {
    waiting: t('chat.fileWaiting'),
    sending: t('chat.fileUploading', { percent: Math.floor((sent / Math.max(1, file.size)) * 100) }),
    retrying: t('upload.retrying'),
    failed: failure?.message ?? '',
    done: '',
  }[state]
  return (
    <Row
      name={file.name}
      words={words}
      state={failed ? 'failed' : 'working'}
      actions={
        <>
          {failed && canRetry && (
            <RowButton
              label={t('chat.fileRetry', { name: file.name })}
              onClick={() => uploads.retry(upload.id)}
              icon={<RefreshCw className="size-3.5" />}
            />
          )}
          <RowButton
            label={t('chat.fileDismiss', { name: file.name })}
            onClick={() => uploads.cancel(upload.id)}
            icon={<X className="size-3.5" />}
          />
        </>
      }
    />
  )
}

function FileRow({ item }: { item: DocumentItem }) {
  const utils = trpc.useUtils()
  const onError = (error: unknown) => showToast(toFailure(error).message, 'failed')
  const onSuccess = () => utils.documents.list.invalidate({ collectionId: item.collectionId })
  const remove = trpc.documents.delete.useMutation({ onSuccess, onError })
  const retry = trpc.documents.retry.useMutation({ onSuccess, onError })
  const { version } = item
  const failed = version.stage === 'attention' || version.stage === 'cancelled'
  return (
    <Row
      name={item.name}
      words={stageText(version)}
      state={failed ? 'failed' : isOpen(version) ? 'working' : 'ready'}
      actions={
        <>
          {failed && !isDuplicate(version) && (
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
