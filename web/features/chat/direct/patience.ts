// A request that is given up after a while, or when nobody waits for it any more. By a timer and not by AbortSignal.timeout,
// so that tests can move its clock, and nothing is left behind once it is over.

/**
 * @param milliseconds for an answer
 * @param letGo ends it sooner
 * @throws what the call throws; TypeError, as for a network that fails, when its time is over; letGo's reason
 */
export async function withPatience<T>(
  milliseconds: number,
  call: (signal: AbortSignal) => Promise<T>,
  letGo?: AbortSignal,
): Promise<T> {
  letGo?.throwIfAborted()
  const given = new AbortController()
  const over = Promise.withResolvers<never>()
  const giveUp = (reason: unknown) => {
    // Also when the call does not heed its signal.
    over.reject(reason)
    given.abort(reason)
  }
  const timer = setTimeout(() => giveUp(new TypeError('there was no answer in time')), milliseconds)
  const leave = () => giveUp(letGo?.reason)
  letGo?.addEventListener('abort', leave)
  try {
    return await Promise.race([call(given.signal), over.promise])
  } finally {
    clearTimeout(timer)
    letGo?.removeEventListener('abort', leave)
  }
}
