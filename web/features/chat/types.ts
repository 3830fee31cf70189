import type { Outputs } from '../../lib/trpc.ts'

export type Chat = Outputs['chats']['get']
export type Message = Chat['messages'][number]
