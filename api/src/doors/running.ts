// What doors have under way. It ends when its client goes, and when the key that asked for it ends meanwhile: revoked,
// or its person removed. Every server hears of that by the log that ends sessions too.
import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.ts'
import { type KeyGrant, workingKeys } from '../people/keys.ts'
import type { Services } from '../services.ts'

export interface Run extends Disposable {
  /** Aborted by the client's going, or with an AppError as its reason: KEY_INVALID, or what `end` was given. */
  readonly signal: AbortSignal
  end(reason: AppError): void
}

export interface Running {
  /**
   * From now until it is disposed of. The key is looked up once more: it may have ended while the request's body came.
   * @throws AppError KEY_INVALID
   */
  follow(reply: FastifyReply, grant: KeyGrant): Promise<Run>
  stop(): void
}

export function createRunning({ pool, sessions, log }: Pick<Services, 'pool' | 'sessions' | 'log'>): Running {
  const runs = new Map<AbortController, KeyGrant>()

  async function look(userId: string): Promise<void> {
    const theirs = [...runs].filter(([, { viewer }]) => viewer.userId === userId)
    if (theirs.length === 0) return
    try {
      const working = await workingKeys(
        pool,
        theirs.map(([, { keyId }]) => keyId),
      )
      for (const [abort, { keyId }] of theirs)
        if (!working.has(keyId)) abort.abort(new AppError('KEY_INVALID'))
    } catch (error) {
      // One of them may have been revoked, and nothing will say so again.
      log.warn({ err: error }, 'keys could not be looked up again: what they have under way ends')
      const reason = 'the API key could not be looked up again'
      for (const [abort] of theirs) abort.abort(new AppError('UNAVAILABLE', { reason }, { cause: error }))
    }
  }

  const deaf = sessions.onDrop((userId) => void look(userId))

  return {
    async follow(reply, grant) {
      const abort = new AbortController()
      const gone = () => abort.abort()
      reply.raw.once('close', gone)
      if (reply.raw.destroyed) gone()
      runs.set(abort, grant)
      const run: Run = {
        signal: abort.signal,
        end: (reason) => abort.abort(reason),
        [Symbol.dispose]() {
          reply.raw.off('close', gone)
          runs.delete(abort)
        },
      }
      // After it is in the list: what is revoked from here on is heard of.
      try {
        if (!(await workingKeys(pool, [grant.keyId])).has(grant.keyId)) throw new AppError('KEY_INVALID')
        return run
      } catch (error) {
        run[Symbol.dispose]()
        throw error
      }
    },
    stop: deaf,
  }
}
