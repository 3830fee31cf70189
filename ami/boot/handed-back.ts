// The last thing that a server says: its programs have stopped, nothing of theirs is left here.
import { PAUSE_MS } from './drain.ts'
import { complete, type Ending, type Lifecycle } from './lifecycle.ts'

/** The load balancer's wait comes first, a minute in this stack, and may be made longer. */
const HANDED_BACK_MS = 15 * 60_000

/**
 * Says to the group that everything is handed back. Its hook ends by itself when this never gets through.
 * @throws Error, a sentence
 */
export async function handBack(of: Lifecycle, hook: string, pauseMs = PAUSE_MS): Promise<Ending> {
  await of.clock.sleep(pauseMs)
  return await complete(of, {
    transition: 'terminate',
    hook,
    result: 'CONTINUE',
    patienceMs: HANDED_BACK_MS,
  })
}
