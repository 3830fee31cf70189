// What is left to do when a stage's stack is gone: its data removed, if that was agreed to, and told how the rest is.
import type { Aws } from '../../aws/port.ts'
import { stageStack } from '../bootstrap/names.ts'
import type { Say } from '../release/follow.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'
import { removeBucket, removeSnapshots } from './data.ts'
import { DestroyFailure } from './failure.ts'
import { BUCKET, howToRemove } from './inventory.ts'
import { allRemains, endJournal, type Journal } from './journal.ts'
import { snapshotsOf } from './quiet.ts'

interface Gone {
  readonly name: StageName
  readonly stage: Stage
  readonly say: Say
}

/** @throws DestroyFailure when something can't be removed, or is not of this stage; the journal stays then */
export async function finish(aws: Aws, request: Gone, journal: Journal): Promise<'gone'> {
  const { name, stage, say } = request
  const remains = allRemains(journal)
  const all = remains.flatMap(({ kept }) => kept)
  const databases = remains.flatMap((one) => one.databases)
  const buckets = all.filter(({ type }) => type === BUCKET).map((bucket) => bucket.name)
  refuseForeign(name, [...buckets, ...databases])
  if (journal.deletesData) {
    for (const bucket of buckets) await removeBucket(aws, bucket, stage.account, say)
    for (const database of databases) await removeSnapshots(aws, database, say)
  }
  const kept = journal.deletesData ? all.filter(({ type }) => type !== BUCKET) : all
  const snapshots: string[] = []
  for (const database of databases) snapshots.push(...(await snapshotsOf(aws, database)))
  say(`Stage ${name} is gone.`)
  const lines = howToRemove(name, kept, snapshots, stage.region)
  if (lines.length > 0) say('What was kept, and how each is removed when nobody needs it any more:')
  for (const line of lines) say(line)
  for (const database of databases)
    say(
      `Also kept: the automatic backups of ${database} for ${stage.database.backupDays} days, its log groups ` +
        `/aws/rds/instance/${database}/…, and the key of the alerts until AWS removes it after 7 days.`,
    )
  await endJournal(aws, request)
  return 'gone'
}

/**
 * Whoever may write into the state bucket must not have another's data removed, or its servers moved, by whoever runs this.
 * @throws DestroyFailure for a name that is not of the stage
 */
export function refuseForeign(name: StageName, names: readonly string[]): void {
  const foreign = names.filter((of) => !`${of}-`.startsWith(`${stageStack(name)}-`))
  if (foreign.length > 0)
    throw new DestroyFailure(
      `The journal of stage ${name} names ${foreign.join(', ')}, which is not of this stage. Nothing of it was touched.`,
      'find out who wrote that into the state bucket; then remove stages/…/destroy.json there.',
    )
}
