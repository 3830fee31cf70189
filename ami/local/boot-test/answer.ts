// A real document, and a question over it, through whatever serves pages or the API itself.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, vi } from 'vitest'
import type { Session } from '../../../e2e/harness/people.ts'

const MANUAL = path.resolve(import.meta.dirname, '../../../api/test/fixtures/manual.pdf')

/** @returns a collection in which a PDF has been read. @param within milliseconds */
export async function readManual(owner: Session, within = 60_000): Promise<string> {
  const { id: collection } = await owner.mutate<{ id: string }>('collections.create', { name: 'Garden' })
  const upload = await owner.fetch(`/api/files?collection=${collection}&name=manual.pdf`, {
    method: 'PUT',
    headers: { 'content-type': 'application/pdf' },
    body: readFileSync(MANUAL),
  })
  expect(upload.status, await upload.clone().text()).toBeLessThan(300)
  await vi.waitFor(
    async () => {
      const { items } = await owner.query<{ items: { version: { stage: string } }[] }>('documents.list', {
        collectionId: collection,
      })
      expect(items.map(({ version }) => version.stage)).toEqual(['searchable'])
    },
    { timeout: within, interval: 200 },
  )
  return collection
}

/** @returns ids of the chat and of the answer that begins */
export async function ask(owner: Session, collection: string): Promise<{ chat: string; answer: string }> {
  const { id: chat } = await owner.mutate<{ id: string }>('chats.create', { collectionIds: [collection] })
  const text = 'How many screws do the posts of the gate need?'
  const { answerId } = await owner.mutate<{ answerId: string }>('chats.ask', {
    ...{ chatId: chat, text, requestId: randomUUID() },
  })
  return { chat, answer: answerId }
}

/** Until the answer cites the page that says it. */
export async function cited(owner: Session, chat: string, within = 60_000): Promise<void> {
  await vi.waitFor(
    async () => {
      const { messages } = await owner.query<{
        messages: { role: string; citations: { documentName: string; page: number; quote: string }[] }[]
      }>('chats.get', { id: chat })
      const answer = messages.at(-1)
      expect(answer).toMatchObject({ role: 'answer' })
      expect(answer?.citations[0]).toMatchObject({ documentName: 'manual.pdf', page: 1 })
      expect(answer?.citations.map(({ quote }) => quote).join()).toContain('four screws')
    },
    { timeout: within, interval: 200 },
  )
}
