// What a person does with one document. The list changes when the server's event arrives; what failed is said in a
// toast, because its row may be gone by then.

import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { trpc } from '../../lib/trpc.ts'

export function useDocumentActions() {
  const utils = trpc.useUtils()
  const options = {
    onError: (error: unknown) => showToast(toFailure(error).message, 'failed'),
    onSettled: () => utils.documents.invalidate(),
  }
  const cancel = trpc.documents.cancel.useMutation(options)
  const retry = trpc.documents.retry.useMutation(options)
  const resolve = trpc.documents.resolveDuplicate.useMutation(options)
  return { cancel, retry, resolve }
}
