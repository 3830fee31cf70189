import {
  ArrowLeft,
  Ellipsis,
  FlaskConical,
  FolderUp,
  Library,
  MessageSquare,
  Pencil,
  Trash2,
  UsersRound,
} from 'lucide-react'
import Link from 'next/link'
import { useRouter } from 'next/router'
import { lazy, Suspense, useCallback, useRef, useState } from 'react'
import { PageColumn, PageHeader } from '../../components/layout/page-header.tsx'
import { Button, buttonLook } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Menu, MenuItem, MenuSeparator } from '../../components/ui/menu.tsx'
import { Skeleton, SkeletonRows } from '../../components/ui/skeleton.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { isMissing, toFailure } from '../../lib/errors.ts'
import { addSentences, t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { collections } from '../../locales/en/collections.ts'
import { DocumentList } from '../documents/document-list.tsx'
import { UploadButton } from '../uploads/upload-button.tsx'
import { UploadPanel } from '../uploads/upload-panel.tsx'
import { uploads, useOnAccepted } from '../uploads/uploads.ts'
import { useFileDrop } from '../uploads/use-file-drop.ts'
import { type Collection, CollectionBadges } from './collection-card.tsx'
import { DeleteCollectionDialog } from './delete-collection-dialog.tsx'
import { GuestMenu } from './guest-menu.tsx'

addSentences(collections)

// Not next/dynamic: of a part that does not come, it shows nothing and tells nobody.
const EditCollectionDialog = lazy(async () => ({
  default: (await import('./collection-form.tsx')).EditCollectionDialog,
}))
const ShareDialog = lazy(async () => ({ default: (await import('./share-dialog.tsx')).ShareDialog }))

export function CollectionPage({ id }: { id: string }) {
  const collection = trpc.collections.get.useQuery({ id })
  const missing = isMissing(collection.error)
  if (collection.data !== undefined && !missing) return <Loaded collection={collection.data} />
  if (collection.error !== null) {
    return (
      <PageColumn>
        {missing ? (
          <EmptyState
            level={1}
            icon={<Library aria-hidden className="size-6" />}
            title={t('page.notFound')}
            actions={
              <Link href="/collections" className={buttonLook()}>
                {t('collection.all')}
              </Link>
            }
          >
            {t('collection.missing')}
          </EmptyState>
        ) : (
          <ErrorState
            level={1}
            title={t('collection.failed')}
            message={toFailure(collection.error).message}
            onRetry={() => void collection.refetch()}
          />
        )}
      </PageColumn>
    )
  }
  return (
    <PageColumn>
      <h1 className="sr-only">{t('collection.loading')}</h1>
      <Skeleton className="h-8 w-1/2" />
      <SkeletonRows label={t('collection.loading')} />
    </PageColumn>
  )
}

function Loaded({ collection }: { collection: Collection }) {
  const { id, name, description, role, documents } = collection
  const mayUpload = role !== 'viewer'
  const add = (files: File[]) => uploads.add({ collectionId: id }, files)
  const { over, handlers } = useFileDrop(add, mayUpload)
  useFreshList(id)
  return (
    <div className="relative min-h-full" {...handlers}>
      <PageColumn>
        <PageHeader
          title={name}
          above={
            <Link
              href="/collections"
              className="inline-flex items-center gap-1.5 self-start text-sm text-ink-soft hover:text-ink"
            >
              <ArrowLeft aria-hidden className="size-4" />
              {t('collection.all')}
            </Link>
          }
          actions={
            <>
              {documents > 0 && (
                <Link href={`/chats/new?collection=${id}`} className={buttonLook()}>
                  <MessageSquare aria-hidden className="size-4" />
                  <span className="sm:hidden">{t('collection.askShort')}</span>
                  <span className="max-sm:hidden">{t('collection.ask')}</span>
                </Link>
              )}
              {mayUpload && <UploadButton onFiles={add} />}
              {role === 'owner' ? (
                <OwnerMenu collection={collection} />
              ) : (
                <GuestMenu collection={collection} />
              )}
            </>
          }
        >
          {description !== '' && <p className="whitespace-pre-line">{description}</p>}
          {documents > 0 && (
            <p className="mt-1 flex flex-wrap items-center gap-2 text-sm">
              {t('collections.documents', { count: documents })}
              <CollectionBadges collection={collection} />
            </p>
          )}
        </PageHeader>
        <UploadPanel collectionId={id} />
        <DocumentList collectionId={id} empty={<Empty collection={collection} onFiles={add} />} />
      </PageColumn>
      {over && (
        <div className="pointer-events-none absolute inset-2 flex items-start justify-center rounded-2xl border-2 border-dashed border-accent bg-accent-soft/85">
          <p className="sticky top-[35vh] flex items-center gap-2 py-6 text-lg font-semibold text-accent">
            <FolderUp aria-hidden className="size-6" />
            {t('upload.drop', { name })}
          </p>
        </div>
      )}
    </div>
  )
}

/** What was just accepted shows soon, also where events are late or missing; a thousand files ask once a second. */
function useFreshList(collectionId: string): void {
  const utils = trpc.useUtils()
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null)
  const onAccepted = useCallback(
    (upload: { collectionId: string }) => {
      if (upload.collectionId !== collectionId) return
      timer.current ??= setTimeout(() => {
        timer.current = null
        void utils.documents.list.invalidate({ collectionId })
        void utils.collections.get.invalidate({ id: collectionId })
      }, 1_000)
    },
    [collectionId, utils],
  )
  useOnAccepted(onAccepted)
}

function Empty({ collection, onFiles }: { collection: Collection; onFiles: (files: File[]) => void }) {
  const utils = trpc.useUtils()
  const samples = trpc.collections.addSamples.useMutation({
    onSuccess: ({ documents }) => {
      showToast(
        documents === 0 ? t('documents.samplesThere') : t('documents.samplesAdded', { count: documents }),
      )
      void utils.documents.invalidate()
      void utils.collections.invalidate()
    },
    onError: (error) => showToast(toFailure(error).message, 'failed'),
  })
  if (collection.role === 'viewer') {
    return <EmptyState title={t('documents.emptyViewer')}>{t('documents.emptyViewerHint')}</EmptyState>
  }
  return (
    <EmptyState
      icon={<FolderUp aria-hidden className="size-6" />}
      title={t('documents.empty')}
      actions={
        <>
          <UploadButton kind="secondary" onFiles={onFiles} />
          <Button busy={samples.isPending} onClick={() => samples.mutate({ id: collection.id })}>
            {t('documents.samples')}
          </Button>
        </>
      }
    >
      {t('documents.emptyHint')}
    </EmptyState>
  )
}

function OwnerMenu({ collection }: { collection: Collection }) {
  const router = useRouter()
  const [open, setOpen] = useState<'share' | 'edit' | 'delete' | null>(null)
  // Fetched when they are first asked for. They stay then: closing them, and not taking them away, gives the focus back.
  const [asked, setAsked] = useState<readonly string[]>([])
  if (open !== null && !asked.includes(open)) setAsked([...asked, open])
  const close = () => setOpen(null)
  return (
    <>
      <Menu
        trigger={
          <IconButton
            label={t('collection.menu')}
            icon={<Ellipsis aria-hidden className="size-5" />}
            tooltip={false}
          />
        }
      >
        <MenuItem icon={<UsersRound aria-hidden className="size-4" />} onSelect={() => setOpen('share')}>
          {t('share.action')}
        </MenuItem>
        <MenuItem icon={<Pencil aria-hidden className="size-4" />} onSelect={() => setOpen('edit')}>
          {t('collection.edit')}
        </MenuItem>
        <MenuItem
          icon={<FlaskConical aria-hidden className="size-4" />}
          onSelect={() => void router.push(`/collections/${collection.id}/test-bench`)}
        >
          {t('collection.testBench')}
        </MenuItem>
        <MenuSeparator />
        <MenuItem danger icon={<Trash2 aria-hidden className="size-4" />} onSelect={() => setOpen('delete')}>
          {t('collection.delete')}
        </MenuItem>
      </Menu>
      <Suspense fallback={null}>
        {asked.includes('share') && (
          <ShareDialog open={open === 'share'} onClose={close} collection={collection} />
        )}
        {asked.includes('edit') && (
          <EditCollectionDialog open={open === 'edit'} onClose={close} collection={collection} />
        )}
      </Suspense>
      <DeleteCollectionDialog
        open={open === 'delete'}
        onClose={close}
        collection={collection}
        onDeleted={() => void router.push('/collections')}
      />
    </>
  )
}
