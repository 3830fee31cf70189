import { router } from '../trpc.ts'
import { watch } from './watch-events.ts'

export const eventsRouter = router({ watch })
