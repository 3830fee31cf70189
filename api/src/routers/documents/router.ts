// Documents of a collection: their states, what to do with them, and their text page by page.
import { router } from '../trpc.ts'
import { cancel } from './cancel-document.ts'
import { remove } from './delete-document.ts'
import { get } from './get-document.ts'
import { page } from './get-page.ts'
import { list } from './list-documents.ts'
import { pages } from './list-pages.ts'
import { rename } from './rename-document.ts'
import { resolveDuplicate } from './resolve-duplicate.ts'
import { retry } from './retry-document.ts'

export const documentsRouter = router({
  list,
  get,
  rename,
  delete: remove,
  cancel,
  retry,
  resolveDuplicate,
  pages,
  page,
})
