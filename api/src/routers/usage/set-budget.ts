import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { setBudget as set } from '../../usage/budget.ts'
import { userIdInput } from '../people/inputs.ts'
import { installationOwner } from '../trpc.ts'

/** What a person may spend in a month. Null: the installation's default; 0 of either: no language model at all. */
export const setBudget = installationOwner
  .meta({ access: 'installation-owner', resource: 'userId' })
  .input(
    z.object({
      userId: userIdInput,
      tokens: z.int().min(0).max(LIMITS.budgetTokens).nullable(),
      usd: z.number().min(0).max(LIMITS.budgetUsd).nullable(),
    }),
  )
  .output(z.object({ ok: z.literal(true) }))
  .mutation(async ({ ctx, input: { userId, ...own } }) => {
    await set(ctx.services, userId, own)
    return { ok: true }
  })
