import { z } from 'zod'
import { MODEL_STATES } from '../../models/availability.ts'
import { signedIn } from '../trpc.ts'

/** Which models can answer, in order; `passages` is always the last. */
export const list = signedIn
  .meta({ access: 'signed-in' })
  .output(
    z.object({
      models: z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          provider: z.string(),
          /** Null when unknown. */
          contextTokens: z.int().nullable(),
          /** US dollars for a million tokens; null when unknown. */
          price: z.object({ input: z.number(), output: z.number() }).nullable(),
          /** A page may get its answers from the model endpoint itself. */
          direct: z.boolean(),
          /** The longest answer, in tokens; null for `passages`. */
          maxOutputTokens: z.int().nullable(),
          /** How many its server takes from everybody together; null when unknown. */
          requestsPerMinute: z.int().nullable(),
          /** False for one that its provider has retired: it can't be chosen, any other can. */
          available: z.boolean(),
          /** Whether it could answer now, as far as that is known, and since when it is known. */
          availability: z.object({ state: z.enum(MODEL_STATES), since: z.date() }),
        }),
      ),
      defaultId: z.string(),
    }),
  )
  .query(({ ctx }) => ctx.services.models.list())
