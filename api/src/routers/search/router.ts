// Searching without asking a language model.
import { router } from '../trpc.ts'
import { passages } from './search-passages.ts'

export const searchRouter = router({ passages })
