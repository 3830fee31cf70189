import { CircleAlert, FileText } from 'lucide-react'
import Link from 'next/link'
import { Badge } from '../../components/ui/badge.tsx'
import { Spinner } from '../../components/ui/spinner.tsx'
import { t } from '../../lib/t.ts'
import type { Outputs } from '../../lib/trpc.ts'

export type Collection = Outputs['collections']['list'][number]

export function CollectionCard({ collection }: { collection: Collection }) {
  const { id, name, description, documents } = collection
  return (
    <li className="relative flex flex-col gap-2 rounded-2xl border border-line bg-surface p-4 shadow-soft transition-colors hover:border-line-strong">
      <h2 className="font-semibold">
        {/* The whole card is the link's target; its name alone is what is read out. */}
        <Link href={`/collections/${id}`} className="after:absolute after:inset-0 after:rounded-2xl">
          {name}
        </Link>
      </h2>
      {description !== '' && <p className="line-clamp-2 text-sm text-ink-soft">{description}</p>}
      <p className="mt-auto flex flex-wrap items-center gap-2 pt-1 text-sm text-ink-soft">
        <span className="inline-flex items-center gap-1.5">
          <FileText aria-hidden className="size-4" />
          {documents === 0 ? t('collections.noDocuments') : t('collections.documents', { count: documents })}
        </span>
        <CollectionBadges collection={collection} />
      </p>
    </li>
  )
}

/** What goes on in a collection; nothing when all is quiet. */
export function CollectionBadges({ collection: { inProgress, needAttention } }: { collection: Collection }) {
  return (
    <>
      {inProgress > 0 && (
        <Badge tone="accent" icon={<Spinner className="size-3" />}>
          {t('collections.inProgress', { count: inProgress })}
        </Badge>
      )}
      {needAttention > 0 && (
        <Badge tone="danger" icon={<CircleAlert aria-hidden className="size-3" />}>
          {t('collections.needAttention', { count: needAttention })}
        </Badge>
      )}
    </>
  )
}
