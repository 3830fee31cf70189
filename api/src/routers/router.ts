// Every procedure, by noun. One import and one line a noun, in the order of the alphabet.
import { peopleRouter } from './people/router.ts'
import { setupRouter } from './setup/router.ts'
import { router } from './trpc.ts'

export const appRouter = router({
  people: peopleRouter,
  setup: setupRouter,
})

export type AppRouter = typeof appRouter
