import { router } from '../trpc.ts'
import { ask } from './ask-question.ts'
import { create } from './create-chat.ts'
import { remove } from './delete-chat.ts'
import { finish } from './finish-answer.ts'
import { get } from './get-chat.ts'
import { list } from './list-chats.ts'
import { ownCollection } from './own-collection.ts'
import { prepare } from './prepare-answer.ts'
import { push } from './push-answer.ts'
import { relay } from './relay-answer.ts'
import { rename } from './rename-chat.ts'
import { retry } from './retry-answer.ts'
import { setModel } from './set-model.ts'
import { setScope } from './set-scope.ts'
import { stop } from './stop-answer.ts'
import { watch } from './watch-answer.ts'

export const chatsRouter = router({
  ask,
  create,
  delete: remove,
  finish,
  get,
  list,
  ownCollection,
  prepare,
  push,
  relay,
  rename,
  retry,
  setModel,
  setScope,
  stop,
  watch,
})
