import { router } from '../trpc.ts'
import { create } from './create-key.ts'
import { list } from './list-keys.ts'
import { revoke } from './revoke-key.ts'
import { revokeAll } from './revoke-keys-of.ts'

export const keysRouter = router({ create, list, revoke, revokeAll })
