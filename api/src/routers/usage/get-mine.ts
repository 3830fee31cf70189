import { z } from 'zod'
import { readOwnUsage } from '../../usage/report.ts'
import { listing } from '../trpc.ts'
import { amount, budget, modelAmounts } from './amounts.ts'

/** What the viewer's questions have taken this month (UTC), and what is left of their budget. */
export const mine = listing
  .meta({ access: 'signed-in' })
  .output(
    z.object({
      month: z.string(),
      /** The day on which the budget starts again: `2026-12-01`. */
      resets: z.string(),
      models: modelAmounts,
      total: amount,
      budget,
      left: budget,
    }),
  )
  .query(({ ctx }) => readOwnUsage({ reads: ctx.reads, budget: ctx.services.config.budget }, ctx.viewer))
