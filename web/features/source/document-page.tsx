// One document: its text, its versions, and the way to ask it.
import { Download, FileText, MessageSquarePlus } from 'lucide-react'
import Head from 'next/head'
import Link from 'next/link'
import { useRouter } from 'next/router'
import type { ReactNode } from 'react'
import { Badge } from '../../components/ui/badge.tsx'
import { Button, buttonLook } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { Skeleton } from '../../components/ui/skeleton.tsx'
import { cx } from '../../lib/cx.ts'
import { isMissing, toFailure } from '../../lib/errors.ts'
import { formatDateTime } from '../../lib/format.ts'
import { t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { isDuplicate, isOpen, stageText } from '../documents/stage.ts'
import { useSlash } from '../search/use-slash.ts'
import { documentAddress, originalAddress, placeOf } from './addresses.ts'
import { DocumentReader } from './document-reader.tsx'

type Document = Outputs['documents']['get']
type Version = Document['versions'][number]

interface Props {
  documentId: string
  query: Readonly<Record<string, string | string[] | undefined>>
}

export function DocumentPage({ documentId, query }: Props) {
  const router = useRouter()
  useSlash(() => void router.push('/search'))
  const document = trpc.documents.get.useQuery({ id: documentId })
  const missing = isMissing(document.error)
  if (document.data !== undefined && !missing) return <Viewer document={document.data} query={query} />
  if (document.isPending) return <Loading />
  return (
    <div className="mx-auto max-w-2xl px-4 py-10">
      <h1 className="sr-only">{t('source.title')}</h1>
      {missing ? (
        <EmptyState
          icon={<FileText className="size-6" />}
          title={t('document.missing')}
          actions={
            <Link href="/collections" className={buttonLook('primary')}>
              {t('document.missingAction')}
            </Link>
          }
        />
      ) : (
        <ErrorState
          title={t('source.failed')}
          message={toFailure(document.error).message}
          onRetry={() => void document.refetch()}
        />
      )}
    </div>
  )
}

function Viewer({ document, query }: { document: Document; query: Props['query'] }) {
  const place = placeOf(query)
  const shown = document.versions.find((version) => version.id === place.version) ?? document.version
  const inUse = versionInUse(document)
  return (
    <div className="flex h-full min-h-0 flex-col">
      <Head>
        <title>{t('app.title', { title: document.name })}</title>
      </Head>
      <header className="flex shrink-0 flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-4 py-3 sm:px-6">
        <div className="min-w-0 flex-1 basis-60">
          <Link
            href={`/collections/${document.collectionId}`}
            className="text-sm text-ink-soft hover:text-ink hover:underline"
          >
            {t('document.backToCollection')}
          </Link>
          <h1 className="truncate text-lg font-semibold" title={document.name}>
            {document.name}
          </h1>
          <Facts version={inUse ?? document.version} />
        </div>
        <div className="flex gap-2">
          <a href={originalAddress(shown.id)} download className={buttonLook('secondary')}>
            <Download aria-hidden className="size-4" />
            <span className="sr-only sm:not-sr-only">{t('document.download')}</span>
          </a>
          {document.searchable && (
            <Link
              href={`/chats/new?${new URLSearchParams({ document: document.id })}`}
              className={buttonLook('primary')}
            >
              <MessageSquarePlus aria-hidden className="size-4" />
              {t('document.ask')}
            </Link>
          )}
        </div>
      </header>
      <div className="flex min-h-0 flex-1 flex-col lg:flex-row">
        <div className="flex min-h-0 min-w-0 flex-1 flex-col">
          <State document={document} />
          {document.searchable && (
            <DocumentReader
              documentId={document.id}
              versionId={place.version}
              readingId={place.reading}
              target={{ page: place.page, range: place.range }}
            />
          )}
        </div>
        {document.versions.length > 1 && <Versions document={document} shown={shown} inUse={inUse} />}
      </div>
    </div>
  )
}

/** The newest that became searchable is the one that searches see. */
function versionInUse(document: Document): Version | undefined {
  return document.searchable ? document.versions.find((version) => version.wordsAt !== null) : undefined
}

function Facts({ version }: { version: Version }) {
  const facts: string[] = []
  if (version.pages !== null) facts.push(t('document.pages', { count: version.pages }))
  if (version.passages !== null) facts.push(t('document.passages', { count: version.passages }))
  facts.push(t('document.uploaded', { date: formatDateTime(version.createdAt) }))
  return <p className="truncate text-sm text-ink-soft">{facts.join(' · ')}</p>
}

/** What the newest version is doing, unless it is simply there. */
function State({ document }: { document: Document }) {
  const utils = trpc.useUtils()
  const retry = trpc.documents.retry.useMutation({
    onSuccess: () => utils.documents.get.invalidate({ id: document.id }),
  })
  const { version } = document
  if (version.stage === 'searchable') return null
  if (isOpen(version)) {
    return (
      <Strip tone="quiet">
        <span className="font-medium">{stageText(version)}</span>{' '}
        {!document.searchable && t('document.notReadyHint')}
      </Strip>
    )
  }
  const mayRetry = document.role !== 'viewer' && !isDuplicate(version)
  return (
    <Strip tone="warn">
      <span className="min-w-0 flex-1">
        {version.stage === 'attention' && <span className="font-medium">{t('document.attention')}: </span>}
        {version.stage === 'cancelled' ? t('document.cancelled') : stageText(version)}
        {retry.isError && ` ${toFailure(retry.error).message}`}
      </span>
      {mayRetry && (
        <Button size="small" busy={retry.isPending} onClick={() => retry.mutate({ id: document.id })}>
          {t('document.retry')}
        </Button>
      )}
    </Strip>
  )
}

function Strip({ tone, children }: { tone: 'quiet' | 'warn'; children: ReactNode }) {
  return (
    <div
      role="status"
      className={cx(
        'flex flex-wrap items-center gap-2 px-4 py-2.5 text-sm sm:px-6',
        tone === 'warn' ? 'bg-warn-soft text-warn' : 'bg-sunken text-ink-soft',
      )}
    >
      {children}
    </div>
  )
}

function Versions(props: { document: Document; shown: Version; inUse: Version | undefined }) {
  return (
    <aside aria-label={t('document.versions')} className="shrink-0 border-line max-lg:border-t lg:border-l">
      <details className="max-h-[40dvh] overflow-y-auto px-4 py-2 text-sm lg:hidden">
        <summary className="py-1 font-semibold">
          {t('document.versions')}: {t('document.version', { number: props.shown.number })}
        </summary>
        <VersionList {...props} />
      </details>
      <div className="hidden h-full w-72 overflow-y-auto p-4 lg:block">
        <h2 className="mb-2 text-sm font-semibold">{t('document.versions')}</h2>
        <VersionList {...props} />
      </div>
    </aside>
  )
}

function VersionList({
  document,
  shown,
  inUse,
}: {
  document: Document
  shown: Version
  inUse: Version | undefined
}) {
  return (
    <ol className="flex flex-col gap-1">
      {document.versions.map((version) => (
        <li key={version.id}>
          <Link
            href={documentAddress({ documentId: document.id, versionId: version.id })}
            aria-current={version.id === shown.id ? 'true' : undefined}
            className={cx(
              'flex flex-col gap-0.5 rounded-lg px-3 py-2 text-sm hover:bg-hover',
              version.id === shown.id && 'bg-hover',
            )}
          >
            <span className="flex items-center gap-2">
              <span className="font-medium">{t('document.version', { number: version.number })}</span>
              {version.id === inUse?.id && <Badge tone="accent">{t('document.versionCurrent')}</Badge>}
            </span>
            <span className="truncate text-xs text-ink-soft">
              {version.id !== inUse?.id && version.stage !== 'searchable'
                ? stageText(version)
                : t('document.uploaded', { date: formatDateTime(version.createdAt) })}
            </span>
          </Link>
        </li>
      ))}
    </ol>
  )
}

function Loading() {
  return (
    <div role="status" className="mx-auto flex max-w-3xl flex-col gap-4 px-4 py-10 sm:px-6">
      <h1 className="sr-only">{t('source.loading')}</h1>
      <Skeleton className="h-7 w-2/5" />
      <Skeleton className="h-4 w-full" />
      <Skeleton className="h-4 w-11/12" />
      <Skeleton className="h-4 w-4/5" />
    </div>
  )
}
