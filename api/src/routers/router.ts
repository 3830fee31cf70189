// Every procedure, by noun. One import and one line a noun, in the order of the alphabet.
import { chatsRouter } from './chats/router.ts'
import { collectionsRouter } from './collections/router.ts'
import { documentsRouter } from './documents/router.ts'
import { eventsRouter } from './events/router.ts'
import { generationsRouter } from './generations/router.ts'
import { goldenQuestionsRouter } from './golden-questions/router.ts'
import { keysRouter } from './keys/router.ts'
import { modelsRouter } from './models/router.ts'
import { peopleRouter } from './people/router.ts'
import { searchRouter } from './search/router.ts'
import { setupRouter } from './setup/router.ts'
import { router } from './trpc.ts'
import { usageRouter } from './usage/router.ts'

export const appRouter = router({
  chats: chatsRouter,
  collections: collectionsRouter,
  documents: documentsRouter,
  events: eventsRouter,
  generations: generationsRouter,
  goldenQuestions: goldenQuestionsRouter,
  keys: keysRouter,
  models: modelsRouter,
  people: peopleRouter,
  search: searchRouter,
  setup: setupRouter,
  usage: usageRouter,
})

export type AppRouter = typeof appRouter
