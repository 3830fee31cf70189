import { z } from 'zod'

/** PostgreSQL's `integer`. */
export const generationInput = z.object({ id: z.int().min(1).max(2_147_483_647) })
