import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import type { trpc } from '../../lib/trpc.ts'

/** Files on their way into the chat's own collection, which is made with the first of them. */
export async function addFilesToChat(
  utils: ReturnType<typeof trpc.useUtils>,
  chatId: string,
  files: readonly File[],
): Promise<void> {
  try {
    // Fetched when it is needed: most chats have no files.
    const { uploads } = await import('../uploads/uploads.ts')
    const { collectionId } = await utils.client.chats.ownCollection.mutate({ id: chatId })
    utils.chats.get.setData({ id: chatId }, (chat) => chat && { ...chat, ownCollectionId: collectionId })
    uploads.add({ collectionId }, files)
  } catch (error) {
    showToast(toFailure(error).message, 'failed')
  }
}
