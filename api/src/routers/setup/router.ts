import { router } from '../trpc.ts'
import { createOwner } from './create-owner.ts'
import { status } from './get-status.ts'

export const setupRouter = router({ createOwner, status })
