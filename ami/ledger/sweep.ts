// Removes what bakes have left and nobody needs. What a person has seen is looked at once more first: something may have
// become needed meanwhile.
import { DeleteSnapshotCommand, DeregisterImageCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2'
import { type Aws, callerIn } from '../../aws/port.ts'
import { AwsProblem } from '../../aws/problems.ts'
import type { Home } from '../../infra/bootstrap/names.ts'
import { BakeFailure } from './failure.ts'
import { type Found, survey } from './survey.ts'

export interface Sweeping {
  /** Without it nothing is removed. */
  readonly removes: boolean
  /** Asked once everything has been shown, when there is something to remove. */
  readonly agrees: (what: readonly Found[]) => Promise<boolean>
  readonly say: (line: string) => void
  /** Images, and the snapshots that they use, that are meant alone. Default: everything. */
  readonly only?: ReadonlySet<string>
}

export interface Swept {
  readonly found: readonly Found[]
  readonly removed: readonly string[]
  readonly outcome: 'shown' | 'declined' | 'swept'
}

/** @throws AwsProblem `wrong-account` before anything is looked at; BakeFailure with what could not be removed */
export async function sweep(aws: Aws, home: Home, sweeping: Sweeping): Promise<Swept> {
  const { removes, agrees, say, only } = sweeping
  await callerIn(aws, home.account, `What is to be swept in ${home.region}`)
  if (aws.region !== home.region) throw new Error(`asked in ${aws.region} for ${home.region}`)
  const found = (await survey(aws, home)).filter(({ id }) => only === undefined || only.has(id))
  for (const one of found) say(line(one))
  const free = found.filter(isFree)
  say(
    `Account ${home.account}, ${home.region}: ${found.length} of bakes, ${free.length} of them left over.` +
      (removes || free.length === 0 ? '' : ' Nothing was removed: --remove does it.'),
  )
  if (!removes || free.length === 0) return { found, removed: [], outcome: 'shown' }
  if (!(await agrees(free))) return { found, removed: [], outcome: 'declined' }

  const shown = new Set(free.map(({ id }) => id))
  const still = (await survey(aws, home)).filter((one) => isFree(one) && shown.has(one.id))
  const removed: string[] = []
  const failed: string[] = []
  for (const one of still)
    try {
      await remove(aws, one)
      removed.push(one.id)
      say(`removed ${one.kind} ${one.id}`)
    } catch (error) {
      // Whoever may not do this may not do the next either.
      if (error instanceof AwsProblem) throw error
      failed.push(`${one.id} (${error instanceof Error ? error.message : error})`)
    }
  if (failed.length > 0)
    throw new BakeFailure(
      `Removed ${removed.length}; not removed: ${failed.join(', ')}. The same command tries again.`,
    )
  return { found, removed, outcome: 'swept' }
}

const isFree = ({ because }: Found): boolean => because === undefined

const line = ({ kind, id, bake, expires, because }: Found): string =>
  `${because === undefined ? 'left over' : 'stays    '}  ${kind.padEnd(8)}  ${id.padEnd(22)}  bake ${bake}, ` +
  `until ${expires}${because === undefined ? '' : `: ${because}`}`

async function remove({ ec2 }: Aws, { kind, id }: Found): Promise<void> {
  try {
    if (kind === 'instance') await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    else if (kind === 'image') await ec2.send(new DeregisterImageCommand({ ImageId: id }))
    else await ec2.send(new DeleteSnapshotCommand({ SnapshotId: id }))
  } catch (error) {
    // Somebody else was faster.
    if (!(error instanceof Error && /\.(NotFound|Unavailable)$/.test(error.name))) throw error
  }
}
