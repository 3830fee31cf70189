// The first page: somebody with documents goes straight to asking; everybody else is shown the first steps.
import { MessageSquare, Plus, UserRoundPlus } from 'lucide-react'
import Link from 'next/link'
import { useRouter } from 'next/router'
import { type ReactNode, useEffect, useState } from 'react'
import { PageColumn, PageHeader } from '../../components/layout/page-header.tsx'
import { Button, buttonLook } from '../../components/ui/button.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { useViewer } from '../../lib/session.ts'
import { addSentences, t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { start } from '../../locales/en/start.ts'
import { CreateCollectionDialog } from '../collections/collection-form.tsx'

addSentences(start)

export function StartPage() {
  const router = useRouter()
  const collections = trpc.collections.list.useQuery()
  const ready = collections.data?.some(({ documents }) => documents > 0) === true
  useEffect(() => {
    if (ready) void router.replace('/chats/new')
  }, [ready, router])

  if (collections.data !== undefined && !ready) return <FirstSteps />
  return (
    <PageColumn>
      {collections.data === undefined && collections.error !== null ? (
        <ErrorState
          level={1}
          title={t('page.failed')}
          message={toFailure(collections.error).message}
          onRetry={() => void collections.refetch()}
        />
      ) : (
        <>
          <h1 className="sr-only">{t('app.loading')}</h1>
          <SkeletonRows rows={3} label={t('app.loading')} />
        </>
      )}
    </PageColumn>
  )
}

function FirstSteps() {
  const router = useRouter()
  const viewer = useViewer()
  const [creating, setCreating] = useState(false)
  const samples = useSamples()
  const open = (id: string) => void router.push(`/collections/${id}`)
  return (
    <PageColumn>
      <PageHeader title={t('start.title')}>{t('start.hint')}</PageHeader>
      <ol className="flex flex-col gap-3">
        <Step number={1} title={t('start.documents')} hint={t('start.documentsHint')}>
          <Button
            kind="primary"
            icon={<Plus aria-hidden className="size-4" />}
            onClick={() => setCreating(true)}
          >
            {t('start.collection')}
          </Button>
          <Button busy={samples.busy} onClick={() => void samples.add(open)}>
            {t('start.samples')}
          </Button>
        </Step>
        <Step number={2} title={t('start.ask')} hint={t('start.askHint')}>
          <Link href="/chats/new" className={buttonLook()}>
            <MessageSquare aria-hidden className="size-4" />
            {t('start.askAction')}
          </Link>
        </Step>
        {viewer?.role === 'owner' && (
          <Step number={3} title={t('start.people')} hint={t('start.peopleHint')}>
            <Link href="/people" className={buttonLook()}>
              <UserRoundPlus aria-hidden className="size-4" />
              {t('start.peopleAction')}
            </Link>
          </Step>
        )}
      </ol>
      <CreateCollectionDialog open={creating} onClose={() => setCreating(false)} onCreated={open} />
    </PageColumn>
  )
}

function Step({
  number,
  title,
  hint,
  children,
}: {
  number: number
  title: string
  hint: string
  children: ReactNode
}) {
  return (
    <li className="flex gap-4 rounded-2xl border border-line bg-surface p-4 shadow-soft sm:p-5">
      <span
        aria-hidden
        className="flex size-8 shrink-0 items-center justify-center rounded-full bg-accent-soft text-sm font-semibold text-accent"
      >
        {number}
      </span>
      <div className="flex min-w-0 flex-1 flex-col gap-1">
        <h2 className="font-semibold">{title}</h2>
        <p className="text-[0.9375rem] text-pretty text-ink-soft">{hint}</p>
        <div className="mt-2 flex flex-wrap gap-2">{children}</div>
      </div>
    </li>
  )
}

/** Makes a collection with Terrace's own documentation in it, or fills the empty one that an earlier try left. */
function useSamples() {
  const utils = trpc.useUtils()
  const create = trpc.collections.create.useMutation()
  const addSamples = trpc.collections.addSamples.useMutation()
  const [busy, setBusy] = useState(false)
  const add = async (onAdded: (collectionId: string) => void) => {
    setBusy(true)
    try {
      const name = t('start.samplesName')
      const left = utils.collections.list
        .getData()
        ?.find((each) => each.name === name && each.role === 'owner')
      const { id } = left ?? (await create.mutateAsync({ name, description: t('start.samplesDescription') }))
      await addSamples.mutateAsync({ id })
      onAdded(id)
    } catch (error) {
      showToast(toFailure(error).message, 'failed')
    } finally {
      setBusy(false)
      void utils.collections.invalidate()
    }
  }
  return { busy, add }
}
