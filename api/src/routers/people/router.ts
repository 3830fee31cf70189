import { router } from '../trpc.ts'
import { me } from './me.ts'

export const peopleRouter = router({ me })
