// The set of follow-up questions (README.md beside this file), as it is committed.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'

const KINDS = ['pronoun', 'ellipsis', 'why', 'chain', 'correction', 'comparison', 'independent'] as const

const row = z.strictObject({
  id: z.string().min(1),
  /** What makes it lean on what was asked before; an independent one does not. */
  kind: z.enum(KINDS),
  /** Questions before it, oldest first. */
  turns: z.array(z.string().min(1)).min(1).max(3),
  followUp: z.string().min(1),
  /** The same question so that it stands by itself; of an independent one the same words. */
  full: z.string().min(1),
  /** Documents of the Debian set that answer it. */
  answers: z.array(z.string().min(1)).min(1),
})

export type FollowUp = z.infer<typeof row>

export function readFollowUps(): FollowUp[] {
  const text = readFileSync(path.join(import.meta.dirname, 'conversations.jsonl'), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => row.parse(JSON.parse(line)))
}

/** By the hash of the first answer, so that none is asked for in both; `dev` lies inside of the Debian set's `dev`. */
export function splitOf({ answers }: FollowUp): 'dev' | 'test' {
  const [first = 0] = createHash('sha256')
    .update(answers[0] ?? '')
    .digest()
  return first % 4 === 0 ? 'dev' : 'test'
}
