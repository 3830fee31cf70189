// News for whoever is looking: one subscription a browser.
import { router } from '../trpc.ts'
import { watch } from './watch-events.ts'

export const eventsRouter = router({ watch })
