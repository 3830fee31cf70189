// What doors have under way. It ends when its client goes, and when the key that asked for it ends meanwhile: revoked,
// or its person removed. Every server hears of that by the log that ends sessions too.
import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.ts'
import { type KeyGrant, workingKeys } from '../people/keys.ts'
import type { Services } from '../services.ts'

export interface Run extends Disposable {
  /** Aborted by the client's going, or with an AppError KEY_INVALID as its reason. */
  readonly signal: AbortSignal
}

export interface Running {
  /** From now until it is disposed of. */
  follow(reply: FastifyReply, grant: KeyGrant): Run
  stop(): void
}

export function createRunning({ pool, sessions, log }: Pick<Services, 'pool' | 'sessions' | 'log'>): Running {
  const runs = new Map<AbortController, KeyGrant>()

  async function look(userId: string): Promise<void> {
    const theirs = [...runs].filter(([, { viewer }]) => viewer.userId === userId)
    if (theirs.length === 0) return
    const working = await workingKeys(
      pool,
      theirs.map(([, { keyId }]) => keyId),
    )
    for (const [abort, { keyId }] of theirs) if (!working.has(keyId)) abort.abort(new AppError('KEY_INVALID'))
  }

  const deaf = sessions.onDrop((userId) => {
    look(userId).catch((error: unknown) => log.warn({ err: error }, 'keys could not be looked up again'))
  })

  return {
    follow(reply, grant) {
      const abort = new AbortController()
      const gone = () => abort.abort()
      reply.raw.once('close', gone)
      if (reply.raw.destroyed) gone()
      runs.set(abort, grant)
      return {
        signal: abort.signal,
        [Symbol.dispose]() {
          reply.raw.off('close', gone)
          runs.delete(abort)
        },
      }
    },
    stop: deaf,
  }
}
