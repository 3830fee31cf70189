import { useCallback, useEffect, useRef, useState } from 'react'
import { trpc } from '../../lib/trpc.ts'
import type { Checked } from './means.ts'

export interface Check {
  /** By question's id. Null: it or its documents are gone. */
  readonly results: ReadonlyMap<string, Checked | null>
  readonly failed: number
  /** Null while none is asked. */
  readonly progress: { readonly done: number; readonly all: number } | null
  start(ids: readonly string[]): void
  stop(): void
}

/** Asks golden questions again, one after the other: a search of many at once would slow down everybody's. */
export function useCheck(collectionId: string): Check {
  const { client } = trpc.useUtils()
  const [results, setResults] = useState<ReadonlyMap<string, Checked | null>>(new Map())
  const [failed, setFailed] = useState(0)
  const [progress, setProgress] = useState<Check['progress']>(null)
  const running = useRef<AbortController | null>(null)
  const stop = useCallback(() => running.current?.abort(), [])
  useEffect(() => stop, [stop])

  const start = useCallback(
    async (ids: readonly string[]) => {
      running.current?.abort()
      const abort = new AbortController()
      running.current = abort
      setResults(new Map())
      setFailed(0)
      for (const [done, id] of ids.entries()) {
        if (abort.signal.aborted) break
        setProgress({ done, all: ids.length })
        try {
          const checked = await client.goldenQuestions.check.query(
            { collectionId, id },
            { signal: abort.signal },
          )
          setResults((before) => new Map(before).set(id, checked))
        } catch {
          if (!abort.signal.aborted) setFailed((before) => before + 1)
        }
      }
      if (running.current === abort) setProgress(null)
    },
    [client, collectionId],
  )
  return { results, failed, progress, start: (ids) => void start(ids), stop }
}
