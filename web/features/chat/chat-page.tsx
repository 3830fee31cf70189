import { MessagesSquare } from 'lucide-react'
import Head from 'next/head'
import Link from 'next/link'
import { buttonLook } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { Skeleton } from '../../components/ui/skeleton.tsx'
import { isMissing, toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { Conversation } from './conversation.tsx'

export function ChatPage({ chatId }: { chatId: string }) {
  // What was streamed is newer than what a cache may hold, so a visit always asks.
  const chat = trpc.chats.get.useQuery({ id: chatId }, { refetchOnMount: 'always' })
  const missing = isMissing(chat.error)
  if (chat.data !== undefined && !missing) return <Conversation key={chatId} chat={chat.data} />
  if (chat.isPending) return <Loading />
  return (
    <div className="mx-auto max-w-2xl px-4 py-10">
      <Head>
        <title>{t('app.title', { title: t('chat.untitled') })}</title>
      </Head>
      <h1 className="sr-only">{t('chat.untitled')}</h1>
      {missing ? (
        <EmptyState
          icon={<MessagesSquare className="size-6" />}
          title={t('chat.missing')}
          actions={
            <Link href="/chats/new" className={buttonLook('primary')}>
              {t('chat.missingAction')}
            </Link>
          }
        />
      ) : (
        <ErrorState
          title={t('chat.failed')}
          message={toFailure(chat.error).message}
          onRetry={() => void chat.refetch()}
        />
      )}
    </div>
  )
}

function Loading() {
  return (
    <div role="status" className="mx-auto flex max-w-3xl flex-col gap-4 px-4 py-20 sm:px-6">
      <h1 className="sr-only">{t('chat.loading')}</h1>
      <Skeleton className="h-10 w-3/5 self-end rounded-2xl" />
      <Skeleton className="h-4 w-full" />
      <Skeleton className="h-4 w-11/12" />
      <Skeleton className="h-4 w-4/5" />
    </div>
  )
}
