// Schemas of collections as they leave the API.
import { z } from 'zod'
import { LIMITS } from '../../../../contract/limits.ts'
import { COLLECTION_ROLES } from '../../../../contract/stages.ts'

export const collectionItem = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  role: z.enum(COLLECTION_ROLES),
  documents: z.int(),
  /** Documents whose newest version needs attention. */
  needAttention: z.int(),
  /** Documents whose newest version is being worked on. */
  inProgress: z.int(),
  createdAt: z.date(),
  updatedAt: z.date(),
})

export const collectionName = z.string().min(1).max(LIMITS.collectionNameLength)
export const collectionDescription = z.string().max(LIMITS.collectionDescriptionLength)
export const collectionId = z.object({ id: z.uuid() })
export const done = z.object({ ok: z.literal(true) })
