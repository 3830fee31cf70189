// Instead of aws/connect.ts, for a command that is started by far-connect.ts.
import type { Aws } from '../../../aws/port.ts'
import { farAway } from './far.ts'

export { isElsewhere } from '../../../aws/connect.ts'

/** @returns the account whose stand-in listens at the address that came with this file's own */
export const connect = (): Aws => farAway(new URL(import.meta.url).searchParams.get('account') ?? '').aws
