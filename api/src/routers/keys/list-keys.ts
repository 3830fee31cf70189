import { z } from 'zod'
import { listKeys } from '../../people/keys.ts'
import { signedIn } from '../trpc.ts'
import { keyScope } from './key.ts'

export const list = signedIn
  .meta({ access: 'signed-in' })
  .output(
    z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        start: z.string(),
        scopes: z.array(keyScope).readonly(),
        collectionIds: z.array(z.string()).readonly().nullable(),
        createdAt: z.date(),
        usedAt: z.date().nullable(),
        expiresAt: z.date().nullable(),
      }),
    ),
  )
  .query(({ ctx }) => listKeys(ctx.services, ctx.viewer))
