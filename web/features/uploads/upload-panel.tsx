import { RotateCcw, X } from 'lucide-react'
import { Button } from '../../components/ui/button.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Progress } from '../../components/ui/progress.tsx'
import { cx } from '../../lib/cx.ts'
import { formatBytes } from '../../lib/format.ts'
import { t } from '../../lib/t.ts'
import type { Upload } from './upload-queue.ts'
import { uploads, useUploads, useWarnBeforeLeaving } from './uploads.ts'

/** Failed ones shown by name; of thousands the rest is counted. */
const FAILED_SHOWN = 20

/** What is on its way to a collection: those being sent, those that failed, and how many wait. */
export function UploadPanel({ collectionId }: { collectionId: string }) {
  const all = useUploads(collectionId)
  useWarnBeforeLeaving()
  const failed = all.filter(({ state }) => state === 'failed')
  const going = all.filter(({ state }) => state === 'sending' || state === 'retrying')
  const waiting = all.filter(({ state }) => state === 'waiting').length
  const open = going.length + waiting
  // Read out as it changes; it is there before the first upload, or screen readers would miss that.
  const news = [
    open > 0 ? t('upload.title', { count: open }) : '',
    failed.length > 0 ? t('upload.failedTitle', { count: failed.length }) : '',
  ]
  const live = (
    <p role="status" className="sr-only">
      {news.join(' ')}
    </p>
  )
  if (all.length === 0) return live
  return (
    <section
      aria-label={
        open > 0 ? t('upload.title', { count: open }) : t('upload.failedTitle', { count: failed.length })
      }
      className="flex flex-col rounded-2xl border border-line bg-surface shadow-soft"
    >
      {live}
      {open > 0 && (
        <>
          <header className="flex items-center justify-between gap-3 py-2.5 pr-2.5 pl-4">
            <div>
              <h2 className="font-semibold">{t('upload.title', { count: open })}</h2>
              <p className="text-sm text-ink-soft">{t('upload.keepOpen')}</p>
            </div>
            <Button size="small" kind="quiet" onClick={() => uploads.cancelAll(collectionId)}>
              {t('upload.cancelAll')}
            </Button>
          </header>
          <ul className="divide-y divide-line border-t border-line">
            {going.map((upload) => (
              <GoingRow key={upload.id} upload={upload} />
            ))}
          </ul>
          {waiting > 0 && (
            <p className="border-t border-line px-4 py-2.5 text-sm text-ink-soft">
              {t('upload.waiting', { count: waiting })}
            </p>
          )}
        </>
      )}
      {failed.length > 0 && (
        <>
          <header
            className={cx(
              'flex items-center justify-between gap-3 border-line py-2.5 pr-2.5 pl-4',
              open > 0 && 'border-t',
            )}
          >
            <h2 className="font-semibold text-danger">{t('upload.failedTitle', { count: failed.length })}</h2>
            <Button
              size="small"
              kind="quiet"
              onClick={() => {
                for (const { id } of failed) uploads.cancel(id)
              }}
            >
              {t('upload.dismissFailed')}
            </Button>
          </header>
          <ul className="divide-y divide-line border-t border-line">
            {failed.slice(0, FAILED_SHOWN).map((upload) => (
              <FailedRow key={upload.id} upload={upload} />
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

function GoingRow({ upload }: { upload: Upload }) {
  const { file, sent, state } = upload
  const total = formatBytes(file.size)
  const text =
    state === 'retrying'
      ? t('upload.retrying')
      : sent >= file.size
        ? t('upload.checking')
        : t('upload.sent', { sent: formatBytes(sent), total })
  return (
    <li className="flex items-center gap-3 py-2 pr-2.5 pl-4">
      <div className="flex min-w-0 flex-1 flex-col gap-1">
        <div className="flex justify-between gap-3 text-sm">
          <span className="truncate font-semibold">{file.name}</span>
          <span className="shrink-0 text-ink-soft tabular-nums">{text}</span>
        </div>
        <Progress
          label={t('upload.progressOf', { name: file.name })}
          value={state === 'retrying' ? 0 : sent / file.size}
          text={text}
        />
      </div>
      <IconButton
        label={t('upload.cancel', { name: file.name })}
        icon={<X aria-hidden className="size-4" />}
        size="small"
        tooltip={false}
        onClick={() => uploads.cancel(upload.id)}
      />
    </li>
  )
}

function FailedRow({ upload }: { upload: Upload }) {
  const { file, failure } = upload
  const code = failure?.code
  const canRetry = code !== 'FILE_EMPTY' && code !== 'TOO_LARGE'
  return (
    <li className="flex items-center gap-2 py-2 pr-2.5 pl-4">
      <div className="min-w-0 flex-1 text-sm">
        <p className="truncate font-semibold">{file.name}</p>
        <p className="text-danger">{failure?.message}</p>
      </div>
      {canRetry && (
        <Button
          size="small"
          icon={<RotateCcw aria-hidden className="size-4" />}
          onClick={() => uploads.retry(upload.id)}
        >
          {t('upload.retry')}
        </Button>
      )}
      <IconButton
        label={t('upload.cancel', { name: file.name })}
        icon={<X aria-hidden className="size-4" />}
        size="small"
        tooltip={false}
        onClick={() => uploads.cancel(upload.id)}
      />
    </li>
  )
}
