// Files on their way into a chat's own collection. Kept outside of the page, so that they go on while one moves
// from the landing to the chat or between chats.
import { useSyncExternalStore } from 'react'
import { LIMITS } from '../../../contract/limits.ts'
import { type Failure, failureFromBody, toFailure } from '../../lib/errors.ts'
import type { trpc } from '../../lib/trpc.ts'
import { newRequestId } from './request-id.ts'
import { uploadFile } from './upload-file.ts'

export interface ChatUpload {
  readonly id: string
  readonly chatId: string
  readonly file: File
  /** 0 to 1; null while it waits for its turn. */
  readonly sent: number | null
  readonly failure: Failure | null
}

type Utils = ReturnType<typeof trpc.useUtils>

/** One connection of the browser's six: the rest is for the answer, events and requests. */
const AT_ONCE = 1

let uploads: readonly ChatUpload[] = []
const listeners = new Set<() => void>()
let active = 0
const queue: (() => Promise<void>)[] = []

function change(next: readonly ChatUpload[]): void {
  uploads = next
  for (const listener of listeners) listener()
}

function update(id: string, fields: Partial<ChatUpload>): void {
  change(uploads.map((upload) => (upload.id === id ? { ...upload, ...fields } : upload)))
}

export function dismissUpload(id: string): void {
  change(uploads.filter((upload) => upload.id !== id))
}

export async function uploadToChat(utils: Utils, chatId: string, files: readonly File[]): Promise<void> {
  const added = files.map(
    (file): ChatUpload => ({ id: newRequestId(), chatId, file, sent: null, failure: localFailure(file) }),
  )
  change([...uploads, ...added])
  const fitting = added.filter((upload) => upload.failure === null)
  if (fitting.length > 0) await send(utils, chatId, fitting)
}

export async function retryUpload(utils: Utils, upload: ChatUpload): Promise<void> {
  update(upload.id, { failure: null, sent: null })
  await send(utils, upload.chatId, [upload])
}

async function send(utils: Utils, chatId: string, wanted: readonly ChatUpload[]): Promise<void> {
  let collectionId: string
  try {
    const own = await utils.client.chats.ownCollection.mutate({ id: chatId })
    collectionId = own.collectionId
  } catch (error) {
    const failure = toFailure(error)
    for (const upload of wanted) update(upload.id, { failure })
    return
  }
  utils.chats.get.setData({ id: chatId }, (chat) => chat && { ...chat, ownCollectionId: collectionId })
  for (const { id, file } of wanted) {
    queue.push(async () => {
      update(id, { sent: 0 })
      const result = await uploadFile(file, collectionId, (sent) => update(id, { sent }))
      if (!result.ok) {
        update(id, { failure: result.failure })
        return
      }
      // The row takes over from the upload; both would show the file twice.
      await utils.documents.list.invalidate({ collectionId })
      dismissUpload(id)
    })
  }
  void work()
}

async function work(): Promise<void> {
  if (active >= AT_ONCE) return
  const next = queue.shift()
  if (next === undefined) return
  active++
  try {
    await next()
  } finally {
    active--
    void work()
  }
}

/** What the server would say after all bytes were sent is said before. */
function localFailure(file: File): Failure | null {
  if (file.size === 0) return failureFromBody({ code: 'FILE_EMPTY' })
  if (file.size <= LIMITS.fileBytes) return null
  return failureFromBody({ code: 'TOO_LARGE', detail: { limit: `${LIMITS.fileBytes / 1024 / 1024} MB` } })
}

const NONE: readonly ChatUpload[] = []

export function useChatUploads(chatId: string): readonly ChatUpload[] {
  const all = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => uploads,
    () => NONE,
  )
  return all.filter((upload) => upload.chatId === chatId)
}
