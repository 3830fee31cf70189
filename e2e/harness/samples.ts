// The sample documents, in a collection of their own and searchable.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { expect, vi } from 'vitest'
import type { Session } from './people.ts'

const SAMPLES = readdirSync(path.resolve(import.meta.dirname, '../../docs/samples')).length

export interface SampleDocument {
  readonly id: string
  readonly title: string
  readonly version: { readonly id: string; readonly stage: string }
}

/** Resolves when each is searchable. */
export async function sampleCollection(
  owner: Session,
  name = 'Samples',
): Promise<{ readonly id: string; readonly documents: readonly SampleDocument[] }> {
  const { id } = await owner.mutate<{ id: string }>('collections.create', { name })
  await owner.mutate('collections.addSamples', { id })
  let documents: SampleDocument[] = []
  await vi.waitFor(
    async () => {
      const list = await owner.query<{ items: SampleDocument[] }>('documents.list', { collectionId: id })
      documents = list.items
      expect(documents.map(({ version }) => version.stage)).toEqual(Array(SAMPLES).fill('searchable'))
    },
    { timeout: 150_000, interval: 500 },
  )
  return { id, documents }
}
