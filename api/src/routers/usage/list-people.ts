import { z } from 'zod'
import { readPeopleUsage } from '../../usage/report.ts'
import { listing } from '../trpc.ts'
import { amount, budget, modelAmounts } from './amounts.ts'

/** What everybody's questions have taken in a month (UTC), by person and model, and who has a budget of their own. */
export const people = listing
  .meta({ access: 'installation-owner' })
  .input(
    z.object({
      /** `2026-11`; left out: this one. */
      month: z
        .string()
        .regex(/^20\d\d-(0[1-9]|1[0-2])$/)
        .optional(),
    }),
  )
  .output(
    z.object({
      month: z.string(),
      resets: z.string(),
      people: z
        .array(z.object({ userId: z.string(), own: budget, models: modelAmounts, total: amount }))
        .readonly(),
      total: amount,
      /** Of those who have no budget of their own. */
      standard: budget,
    }),
  )
  .query(({ ctx, input }) =>
    readPeopleUsage({ reads: ctx.reads, budget: ctx.services.config.budget }, input.month ?? null),
  )
