// Golden questions of a collection: what the search is measured by. Who may do what is asked by evaluation/golden.ts.
import { router } from '../trpc.ts'
import { add } from './add-answer.ts'
import { check } from './check-question.ts'
import { list } from './list-questions.ts'
import { removeAnswer } from './remove-answer.ts'
import { remove } from './remove-question.ts'

export const goldenQuestionsRouter = router({ list, check, add, removeAnswer, remove })
