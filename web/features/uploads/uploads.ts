// The one queue of this browser tab, and how pages see it.
import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { nameWork } from '../../lib/under-way.ts'
import { sendFile } from './send-file.ts'
import { type Accepted, type Upload, UploadQueue } from './upload-queue.ts'

export const uploads = new UploadQueue(sendFile, {
  after: (ms, work) => {
    const timer = setTimeout(work, ms)
    return () => clearTimeout(timer)
  },
})

nameWork(() => uploads.uploads().some(({ state }) => state !== 'failed' && state !== 'done'))

if (typeof window !== 'undefined') window.addEventListener('online', () => uploads.hurry())

const NONE: readonly Upload[] = []

/** What is on its way to one collection. */
export function useUploads(collectionId: string): readonly Upload[] {
  const all = useSyncExternalStore(uploads.subscribe, uploads.uploads, () => NONE)
  return useMemo(() => all.filter((upload) => upload.collectionId === collectionId), [all, collectionId])
}

/** `listener` has to keep its identity between renders (useCallback). */
export function useOnAccepted(listener: (upload: Upload, accepted: Accepted) => void): void {
  useEffect(() => uploads.onAccepted(listener), [listener])
}

/** Asks before the tab is closed while files are still on their way: what is not sent yet would be lost. */
export function useWarnBeforeLeaving(): void {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (uploads.uploads().some(({ state }) => state !== 'failed')) event.preventDefault()
    }
    window.addEventListener('beforeunload', warn)
    return () => window.removeEventListener('beforeunload', warn)
  }, [])
}
