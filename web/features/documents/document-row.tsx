import { Download, Ellipsis, FileUp, MessageSquare, OctagonX, Pencil, RotateCcw, Trash2 } from 'lucide-react'
import Link from 'next/link'
import { useRouter } from 'next/router'
import { memo, type ReactNode, useRef } from 'react'
import { PUBLIC_PATHS } from '../../../contract/ports.ts'
import { Button } from '../../components/ui/button.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Menu, MenuItem, MenuLink, MenuSeparator } from '../../components/ui/menu.tsx'
import { formatAgo, formatBytes } from '../../lib/format.ts'
import { t } from '../../lib/t.ts'
import { uploads } from '../uploads/uploads.ts'
import { DocumentIcon } from './document-icon.tsx'
import { DocumentStatus } from './document-status.tsx'
import { type DocumentItem, isDuplicate, isOpen } from './stage.ts'
import { useDocumentActions } from './use-document-actions.ts'

interface Props {
  document: DocumentItem
  onRename: (document: DocumentItem) => void
  onDelete: (document: DocumentItem) => void
}

/** Memoised: while hundreds are being read, each event changes one row. */
export const DocumentRow = memo(function DocumentRow({ document, onRename, onDelete }: Props) {
  const { version, name } = document
  const mayEdit = document.role !== 'viewer'
  const { cancel } = useDocumentActions()
  return (
    <li className="flex items-start gap-3 px-3 py-3 sm:px-4">
      <DocumentIcon filename={version.filename} />
      <div className="flex min-w-0 flex-1 flex-col gap-1">
        <Link
          href={`/documents/${document.id}`}
          className="truncate font-semibold hover:underline"
          title={name}
        >
          {name}
        </Link>
        <DocumentStatus document={document} />
        <Facts document={document} />
        {mayEdit && <NextSteps document={document} />}
      </div>
      {mayEdit && isOpen(version) && !version.cancelling && (
        <IconButton
          label={t('documentItem.cancel')}
          icon={<OctagonX aria-hidden className="size-4" />}
          size="small"
          onClick={() => cancel.mutate({ id: document.id })}
        />
      )}
      <RowMenu document={document} onRename={onRename} onDelete={onDelete} mayEdit={mayEdit} />
    </li>
  )
})

/** What a person may decide where the work has stopped. */
function NextSteps({ document: { id, name, version } }: { document: DocumentItem }) {
  const { retry, resolve } = useDocumentActions()
  if (isDuplicate(version)) {
    return (
      <fieldset aria-label={t('duplicate.what', { name })} className="flex flex-wrap gap-2 pt-1">
        {(['skip', 'version', 'keep'] as const).map((choice) => (
          <Button
            key={choice}
            size="small"
            busy={resolve.isPending && resolve.variables.choice === choice}
            disabled={resolve.isPending && resolve.variables.choice !== choice}
            onClick={() => resolve.mutate({ id, choice })}
          >
            {t(`duplicate.${choice}`)}
          </Button>
        ))}
      </fieldset>
    )
  }
  if (version.stage !== 'attention' && version.stage !== 'cancelled') return null
  return (
    <div className="pt-1">
      <Button
        size="small"
        icon={<RotateCcw aria-hidden className="size-4" />}
        busy={retry.isPending}
        aria-label={t('documentItem.retryNamed', { name })}
        onClick={() => retry.mutate({ id })}
      >
        {t('documentItem.retry')}
      </Button>
    </div>
  )
}

function Facts({ document: { version, createdAt } }: { document: DocumentItem }) {
  const facts: ReactNode[] = [formatBytes(version.bytes)]
  if (version.pages !== null && version.pages > 1)
    facts.push(t('documentItem.pages', { count: version.pages }))
  if (version.stage === 'searchable' && version.passages !== null) {
    facts.push(t('documentItem.passages', { count: version.passages }))
  }
  if (version.number > 1) facts.push(t('documentItem.version', { number: version.number }))
  facts.push(formatAgo(version.number > 1 ? version.createdAt : createdAt))
  return <p className="text-xs text-ink-soft">{facts.join(' · ')}</p>
}

function RowMenu({ document, onRename, onDelete, mayEdit }: Props & { mayEdit: boolean }) {
  const router = useRouter()
  const input = useRef<HTMLInputElement>(null)
  const { id, collectionId, name, version, searchable } = document
  return (
    <>
      <Menu
        trigger={
          <IconButton
            label={t('documentItem.menu', { name })}
            icon={<Ellipsis aria-hidden className="size-4" />}
            size="small"
            tooltip={false}
          />
        }
      >
        {searchable && (
          <MenuItem
            icon={<MessageSquare aria-hidden className="size-4" />}
            onSelect={() => void router.push(`/chats/new?document=${id}`)}
          >
            {t('documentItem.ask')}
          </MenuItem>
        )}
        <MenuLink
          href={`${PUBLIC_PATHS.files}/${version.id}`}
          download
          icon={<Download aria-hidden className="size-4" />}
        >
          {t('documentItem.download')}
        </MenuLink>
        {mayEdit && (
          <>
            <MenuItem
              icon={<FileUp aria-hidden className="size-4" />}
              onSelect={() => input.current?.click()}
            >
              {t('documentItem.newVersion')}
            </MenuItem>
            <MenuItem icon={<Pencil aria-hidden className="size-4" />} onSelect={() => onRename(document)}>
              {t('documentItem.rename')}
            </MenuItem>
            <MenuSeparator />
            <MenuItem
              danger
              icon={<Trash2 aria-hidden className="size-4" />}
              onSelect={() => onDelete(document)}
            >
              {t('documentItem.delete')}
            </MenuItem>
          </>
        )}
      </Menu>
      <input
        ref={input}
        type="file"
        hidden
        aria-label={t('documentItem.newVersion')}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0]
          if (file !== undefined) uploads.add({ collectionId, documentId: id }, [file])
          // The same file may be chosen again.
          event.currentTarget.value = ''
        }}
      />
    </>
  )
}
