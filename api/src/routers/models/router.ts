import { router } from '../trpc.ts'
import { list } from './list-models.ts'

export const modelsRouter = router({ list })
