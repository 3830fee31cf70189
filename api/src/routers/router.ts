// Every procedure, by noun. One import and one line a noun, in the order of the alphabet.
import { collectionsRouter } from './collections/router.ts'
import { documentsRouter } from './documents/router.ts'
import { eventsRouter } from './events/router.ts'
import { peopleRouter } from './people/router.ts'
import { searchRouter } from './search/router.ts'
import { setupRouter } from './setup/router.ts'
import { router } from './trpc.ts'

export const appRouter = router({
  collections: collectionsRouter,
  documents: documentsRouter,
  events: eventsRouter,
  people: peopleRouter,
  search: searchRouter,
  setup: setupRouter,
})

export type AppRouter = typeof appRouter
