// The English catalogue, one file per feature so that each can be read, translated and changed on its own.
import { account } from './en/account.ts'
import { chat } from './en/chat.ts'
import { collections } from './en/collections.ts'
import { documents } from './en/documents.ts'
import { entry } from './en/entry.ts'
import { errors } from './en/errors.ts'
import { people } from './en/people.ts'
import { search } from './en/search.ts'
import { searchModel } from './en/search-model.ts'
import { shell } from './en/shell.ts'
import { source } from './en/source.ts'
import { start } from './en/start.ts'

export const en = {
  ...shell,
  ...entry,
  ...account,
  ...people,
  ...collections,
  ...documents,
  ...chat,
  ...search,
  ...searchModel,
  ...source,
  ...start,
  ...errors,
} as const
