// Says to the group that this server is ready, once it has been for long enough; and that it never will be, if so.
import type { Journal } from './journal.ts'
import { onlyNews } from './journal.ts'
import type { Launch } from './launch.ts'
import {
  complete,
  findMembership,
  heartbeat,
  isLaunching,
  type Lifecycle,
  type Membership,
} from './lifecycle.ts'
import { retry } from './retry.ts'

/** What the server says of itself. `silent`: nobody listens there. */
export type Probe =
  | { readonly state: 'ready' }
  | { readonly state: 'loading'; readonly reason: string }
  | { readonly state: 'silent' }

/** Milliseconds between two questions. */
const EVERY_MS = 2_000
/** Between two heartbeats: the hook lasts ten minutes at least (infra/fleet.ts). */
const HEARTBEAT_MS = 2 * 60_000
/** A server that nobody hears for so long has failed for good: its unit starts it anew within seconds. */
export const SILENT_MS = 3 * 60_000
/** As long as the longest rebuild of an index may take that is still better than another server. */
export const LOADING_MS = 45 * 60_000
/** For the last word. */
const COMPLETE_MS = 5 * 60_000

export interface InService extends Lifecycle {
  readonly launch: Pick<Launch, 'hooks' | 'inServiceAfter'>
  readonly probe: () => Promise<Probe>
  readonly journal: Journal
}

/** @returns whether the server may stay */
export async function bringInService(of: InService): Promise<boolean> {
  const { journal, clock, launch } = of
  const member = await retry(
    { clock, patienceMs: COMPLETE_MS, onFailure: (error) => of.onFailure(error.message) },
    () => findMembership(of),
  )
  if (member === undefined) {
    journal.info('This server is in no Auto Scaling group: nobody waits for it.')
    return true
  }
  if (!isLaunching(member)) {
    journal.info(`${member.group} does not wait for this server (${member.state}).`)
    return true
  }
  const failure = await waitUntilReady(of, member)
  const result = failure === undefined ? 'CONTINUE' : 'ABANDON'
  if (failure !== undefined) journal.error(`${failure} ${member.group} is told to end it (ABANDON).`)
  const ending = await complete(of, {
    transition: 'launch',
    hook: launch.hooks.launch,
    result,
    patienceMs: COMPLETE_MS,
  })
  if (failure === undefined)
    journal.info(
      ending === 'completed'
        ? `In service: ${member.group} has been told.`
        : `In service: ${member.group} did not wait for ${launch.hooks.launch} any more.`,
    )
  return failure === undefined
}

/** @returns why it will never be ready; undefined when it has been, without a break, for long enough */
async function waitUntilReady(of: InService, member: Membership): Promise<string | undefined> {
  const { clock, launch, journal } = of
  const now = () => clock.now().getTime()
  const tell = onlyNews((msg) => journal.info(msg))
  const begun = now()
  let heard = begun
  // At once: some of the hook's time is gone by the time that the environment is there.
  let beaten = Number.NEGATIVE_INFINITY
  let since: number | undefined
  for (;;) {
    const probe = await of.probe()
    if (probe.state === 'ready') {
      since ??= now()
      if (now() - since >= launch.inServiceAfter * 1000) return undefined
    } else since = undefined
    if (probe.state !== 'silent') heard = now()
    tell(probe.state === 'loading' ? `Not ready yet: ${probe.reason}.` : undefined)
    if (now() - heard >= SILENT_MS) return `The server has not been heard for ${SILENT_MS / 1000} s.`
    if (now() - begun >= LOADING_MS)
      return `The server is not ready after ${LOADING_MS / 60_000} minutes${probe.state === 'loading' ? `: ${probe.reason}` : ''}.`
    if (probe.state !== 'silent' && now() - beaten >= HEARTBEAT_MS) {
      beaten = now()
      await heartbeat(of, member, launch.hooks.launch).catch((error: Error) => of.onFailure(error.message))
    }
    await clock.sleep(EVERY_MS)
  }
}
