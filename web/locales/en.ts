// The English catalogue, one file per feature so that each can be read, translated and changed on its own.
// What is not here comes with its own page (lib/t.ts: addSentences).
import { chat } from './en/chat.ts'
import { collections } from './en/collections.ts'
import { documents } from './en/documents.ts'
import { entry } from './en/entry.ts'
import { errors } from './en/errors.ts'
import { search } from './en/search.ts'
import { shell } from './en/shell.ts'
import { source } from './en/source.ts'
import { start } from './en/start.ts'

export const en = {
  ...shell,
  ...entry,
  ...collections,
  ...documents,
  ...chat,
  ...search,
  ...source,
  ...start,
  ...errors,
} as const
