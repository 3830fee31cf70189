import { router } from '../trpc.ts'
import { mine } from './get-mine.ts'
import { people } from './list-people.ts'
import { setBudget } from './set-budget.ts'

export const usageRouter = router({ mine, people, setBudget })
