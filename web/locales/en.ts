// The English catalogue, one file per feature so that each can be read, translated and changed on its own.
// What is not here comes with its own page (lib/t.ts: addSentences).
import { chat } from './en/chat.ts'
import { documents } from './en/documents.ts'
import { errors } from './en/errors.ts'
import { shell } from './en/shell.ts'
import { source } from './en/source.ts'

export const en = {
  ...shell,
  ...documents,
  ...chat,
  ...source,
  ...errors,
} as const
