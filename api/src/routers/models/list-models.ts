import { z } from 'zod'
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
          /** False for one that its provider has retired. */
          available: z.boolean(),
        }),
      ),
      defaultId: z.string(),
    }),
  )
  .query(({ ctx }) => ctx.services.models.list())
