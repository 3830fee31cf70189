import { z } from 'zod'

export const budget = z.object({
  /** Null: no limit, or, of a person's own, the installation's default. */
  tokens: z.number().nullable(),
  /** US dollars. */
  usd: z.number().nullable(),
})

export const amount = z.object({
  calls: z.number(),
  inputTokens: z.number(),
  outputTokens: z.number(),
  /** US dollars; null when no price is known. */
  cost: z.number().nullable(),
  /** Some of it is guessed from lengths. */
  estimated: z.boolean(),
})

export const modelAmounts = z.array(amount.extend({ model: z.string() })).readonly()
