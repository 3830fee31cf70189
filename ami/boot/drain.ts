// Watches where AWS means to take this server. When it is to leave, systemd stops its programs (terrace-handed-back.path
// and .service), and the group is told once they have stopped. It runs as long as the server does, and so loads little.
import { type Imds, TARGET_STATE } from './imds.ts'
import { type Journal, onlyNews } from './journal.ts'
import type { Clock } from './retry.ts'

/** Milliseconds between two questions: one link away, and far below what metadata answer. */
export const EVERY_MS = 2_000
/**
 * Milliseconds. First until the load balancer sends nobody here any more: deregistration is said to its nodes, and a
 * server that stops listening before they know would refuse people. Then for the last lines of the programs to leave,
 * which their senders collect for some seconds.
 */
export const PAUSE_MS = 10_000
/** Notices are asked for with each so many questions: every 10 s; Spot's come two minutes before. */
const NOTICES_EVERY = 5

export interface Draining {
  readonly imds: Imds
  readonly clock: Clock
  readonly journal: Journal
  /** Default 10 s. */
  readonly pauseMs?: number
}

/** @returns when the programs of this server are to be stopped */
export async function watchUntilLeaving({
  imds,
  clock,
  journal,
  pauseMs = PAUSE_MS,
}: Draining): Promise<void> {
  const trouble = onlyNews((msg) => journal.warn(msg))
  const side = onlyNews((msg) => journal.info(msg))
  const tellNotices = notices(imds, journal)
  let served = false
  for (let asked = 0; ; asked++) {
    try {
      const target = await imds.get(TARGET_STATE)
      if (isLeaving(target, served)) break
      served ||= target === 'InService'
      side(besideTheWay(target))
      if (asked % NOTICES_EVERY === 0) await tellNotices()
      trouble(undefined)
    } catch (error) {
      trouble(error instanceof Error ? error.message : String(error))
    }
    await clock.sleep(EVERY_MS)
  }
  journal.info(
    `Auto Scaling takes this server out: in ${pauseMs / 1000} s its programs hand their streams over and stop.`,
  )
  await clock.sleep(pauseMs)
}

/** A machine that its group stops for later (a warm pool) leaves too, and is configured anew when it comes back. */
const isLeaving = (target: string | undefined, served: boolean) =>
  target === 'Terminated' || target === 'Warmed:Terminated' || (served && target === 'Warmed:Stopped')

function besideTheWay(target: string | undefined): string | undefined {
  if (target === undefined || target === 'InService') return undefined
  return `This server is to be ${target}: its programs go on, whether somebody is sent to them or not.`
}

const NOTICES = [
  ['meta-data/spot/instance-action', 'EC2 interrupts this server (Spot)'],
  ['meta-data/events/recommendations/rebalance', 'EC2 may soon interrupt this server (Spot)'],
  ['meta-data/events/maintenance/scheduled', 'EC2 has scheduled maintenance for this server'],
] as const

/** Says each notice once. Nothing follows from them here: a server that has to leave is replaced by its group. */
function notices(imds: Imds, journal: Journal): () => Promise<void> {
  const all = NOTICES.map(([path, what]) => ({ path, what, news: onlyNews((msg) => journal.warn(msg)) }))
  return async () => {
    for (const { path, what, news } of all) {
      const text = (await imds.get(path))?.replaceAll(/\s+/g, ' ').trim()
      news(
        text === undefined || text === '' || text === '[]' ? undefined : `${what}: ${text.slice(0, 1_000)}`,
      )
    }
  }
}
