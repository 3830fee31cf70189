import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { isMissingPart, reloadOnce, tabStorage, takeReloadNote } from '../../lib/old-page.ts'
import { t } from '../../lib/t.ts'
import { isWorkUnderWay } from '../../lib/under-way.ts'
import { Button } from '../ui/button.tsx'
import { ErrorState } from '../ui/error-state.tsx'
import { showToast } from '../ui/toast.tsx'

/** What is shown instead of a page that broke: one that lacks a part of itself is loaded again, any other says so. */
export function BrokenPage({ error }: { error: unknown }) {
  const client = useQueryClient()
  const [state, setState] = useState<'reloading' | 'waiting' | 'broken'>(
    isMissingPart(error) ? 'reloading' : 'broken',
  )
  useEffect(() => {
    if (!isMissingPart(error)) return
    const leaving = new AbortController()
    // A change that is on its way to the server is work, too.
    const isUnderWay = () => isWorkUnderWay() || client.isMutating() > 0
    const warn = (event: BeforeUnloadEvent) => {
      if (isUnderWay()) event.preventDefault()
    }
    window.addEventListener('beforeunload', warn)
    const { signal } = leaving
    void reloadOnce({
      build: window.__NEXT_DATA__.buildId,
      storage: tabStorage(),
      isUnderWay,
      isServerThere,
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      reload: () => window.location.reload(),
      onWaiting: () => setState('waiting'),
      signal,
    }).then((went) => {
      if (!went && !signal.aborted) setState('broken')
    })
    return () => {
      leaving.abort()
      window.removeEventListener('beforeunload', warn)
    }
  }, [error, client])

  const reload = <Button onClick={() => window.location.reload()}>{t('page.reload')}</Button>
  return (
    <main className="mx-auto max-w-xl p-6">
      {state === 'broken' ? (
        <ErrorState level={1} title={t('page.crashed')} message={t('page.crashedHint')} actions={reload} />
      ) : (
        <div role="status" className="flex flex-col items-center gap-3 px-6 py-10 text-center">
          <h1 className="text-lg font-semibold text-balance">{t('page.old')}</h1>
          <p className="max-w-prose text-[0.9375rem] text-pretty">
            {state === 'waiting' ? t('page.oldWaiting') : t('page.oldHint')}
          </p>
          {state === 'waiting' && reload}
        </div>
      )}
    </main>
  )
}

async function isServerThere(): Promise<boolean> {
  try {
    return (await fetch('/healthz', { cache: 'no-store' })).ok
  } catch {
    return false
  }
}

/** Says it once it was done: what somebody was looking at has moved, and nobody pressed anything. */
export function useSayReloaded(): void {
  useEffect(() => {
    if (takeReloadNote(tabStorage())) showToast(t('page.reloaded'))
  }, [])
}
