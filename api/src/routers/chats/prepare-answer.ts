import { z } from 'zod'
import { prepare as prepareAnswer } from '../../chat/direct/prepare.ts'
import { signedIn } from '../trpc.ts'
import { attemptId } from './chat.ts'

/**
 * For the page that asked with `direct`: what to ask the model endpoint, and the token for it. `elsewhere`: a server
 * writes the answer, or it has ended; `watch` shows it.
 */
export const prepare = signedIn
  .meta({ access: { chat: 'owner' }, resource: 'attemptId' })
  .input(attemptId)
  .output(
    z.discriminatedUnion('kind', [
      z.object({
        kind: z.literal('offer'),
        attempt: z.int(),
        url: z.string(),
        token: z.string(),
        request: z.object({
          model: z.string(),
          messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })),
          max_tokens: z.int(),
        }),
        /** Numbered from 1. */
        passages: z.int(),
        model: z.string(),
      }),
      z.object({ kind: z.literal('elsewhere') }),
    ]),
  )
  .mutation(async ({ ctx, input }) => {
    const prepared = await prepareAnswer(ctx.services, ctx.viewer, input.attemptId)
    if (prepared.kind === 'elsewhere') return prepared
    const { request, ...rest } = prepared
    return { ...rest, request: { ...request, messages: [...request.messages] } }
  })
