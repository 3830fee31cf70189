// The source beside the answer: a column on a wide screen, a sheet on a narrow one. Escape closes it and the focus
// goes back to the number that opened it.
import { Download, ExternalLink, X } from 'lucide-react'
import Link from 'next/link'
import { type ReactNode, useEffect, useRef } from 'react'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Tooltip } from '../../components/ui/tooltip.tsx'
import { t } from '../../lib/t.ts'
import { documentAddress, originalAddress } from './addresses.ts'
import { DocumentReader } from './document-reader.tsx'
import type { OpenSource } from './open-source.ts'
import { SourceGone } from './source-gone.tsx'
import { useWide } from './use-wide.ts'

export default function SourcePane({ source, onClose }: { source: OpenSource; onClose: () => void }) {
  const wide = useWide()
  const content = <Content source={source} onClose={onClose} />
  if (wide === null) return null
  return wide ? <Side onClose={onClose}>{content}</Side> : <Sheet onClose={onClose}>{content}</Sheet>
}

function Side({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  const element = useRef<HTMLElement>(null)
  // Opened on purpose: a keyboard goes on from there.
  useEffect(() => element.current?.focus({ preventScroll: true }), [])
  return (
    <aside
      ref={element}
      tabIndex={-1}
      aria-label={t('source.title')}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || event.defaultPrevented) return
        event.stopPropagation()
        onClose()
      }}
      className="flex h-full w-[min(44%,42rem)] min-w-90 shrink-0 animate-appear flex-col border-l border-line bg-surface outline-none"
    >
      {children}
    </aside>
  )
}

/** The browser's own modal dialog: focus stays inside, Escape closes, what is behind is inert. */
function Sheet({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  const element = useRef<HTMLDialogElement>(null)
  const inside = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const dialog = element.current
    if (dialog !== null && !dialog.open) dialog.showModal()
    // Not its first button, which would show its tooltip.
    inside.current?.focus({ preventScroll: true })
    return () => dialog?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click on the backdrop closes; Escape does for the keyboard
    <dialog
      ref={element}
      aria-label={t('source.title')}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose()
      }}
      className="fixed inset-x-0 top-auto bottom-0 m-0 h-[88dvh] w-full max-w-none animate-appear overflow-hidden rounded-t-2xl border-t border-line bg-surface p-0 text-ink shadow-float"
    >
      <div ref={inside} tabIndex={-1} className="flex h-full flex-col outline-none">
        {children}
      </div>
    </dialog>
  )
}

function Content({ source, onClose }: { source: OpenSource; onClose: () => void }) {
  const { documentId, versionId, readingId, page, start, end } = source
  return (
    <>
      <header className="flex items-center gap-0.5 border-b border-line py-2 pr-2 pl-5">
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-semibold" title={source.documentName}>
            {source.documentName}
          </h2>
          {source.heading !== undefined && source.heading !== '' && (
            <p className="truncate text-xs text-ink-soft">{source.heading}</p>
          )}
        </div>
        {source.available && (
          <>
            <HeaderLink
              href={documentAddress({ documentId, versionId, readingId, page, start, end })}
              label={t('source.openDocument')}
              icon={<ExternalLink className="size-4" />}
            />
            <HeaderLink
              href={originalAddress(versionId)}
              label={t('source.download')}
              icon={<Download className="size-4" />}
              download
            />
          </>
        )}
        <IconButton
          size="small"
          label={t('source.close')}
          icon={<X className="size-4" />}
          onClick={onClose}
        />
      </header>
      {source.available ? (
        <DocumentReader
          documentId={documentId}
          versionId={versionId}
          readingId={readingId}
          target={{ page, range: { start, end } }}
        />
      ) : (
        <SourceGone />
      )}
    </>
  )
}

function HeaderLink({
  href,
  label,
  icon,
  download = false,
}: {
  href: string
  label: string
  icon: ReactNode
  download?: boolean
}) {
  const look =
    'inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-ink-soft transition-colors hover:bg-hover hover:text-ink'
  return (
    <Tooltip text={label}>
      {download ? (
        <a href={href} download aria-label={label} className={look}>
          {icon}
        </a>
      ) : (
        <Link href={href} aria-label={label} className={look}>
          {icon}
        </Link>
      )}
    </Tooltip>
  )
}
