import { z } from 'zod'
import { INSTALLATION_ROLES } from '../../../../contract/stages.ts'
import { anyone } from '../trpc.ts'

/** Who is signed in here, or null. */
export const me = anyone
  .meta({ access: 'anyone' })
  .output(
    z
      .object({ id: z.string(), name: z.string(), email: z.string(), role: z.enum(INSTALLATION_ROLES) })
      .nullable(),
  )
  .query(({ ctx }) => {
    if (ctx.viewer === null) return null
    const { userId, name, email, role } = ctx.viewer
    return { id: userId, name, email, role }
  })
