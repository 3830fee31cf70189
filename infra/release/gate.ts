// What a change set may do. Two judge: the comparison of the templates (infra/plan/changes.ts), which knows what a property
// does, and CloudFormation, which knows what is really there. Both are shown, and of the two the stricter one counts.
import type { ResourceChange } from '@aws-sdk/client-cloudformation'
import type { Template } from '../cfn.ts'
import { type Change, compare, type Effect, gate, worse } from '../plan/changes.ts'
import { BlockedChange } from './failure.ts'

export interface Judged extends Change {
  /** What CloudFormation says, in its words; undefined when it does not speak of this resource. */
  readonly said: string | undefined
}

/** @param before undefined for a stack that is made */
export function judge(
  before: Template | undefined,
  after: Template,
  changes: readonly ResourceChange[],
): Judged[] {
  const nothing: Template = { Description: '', Outputs: {}, Resources: {} }
  const blocked = gate(before ?? nothing, after)
  const compared = new Map(compare(before ?? nothing, after).map((change) => [change.id, change]))
  const said = new Map(changes.map((change) => [change.LogicalResourceId ?? '', change]))
  return [...new Set([...compared.keys(), ...said.keys()])].sort().map((id) => {
    const [ours, theirs] = [compared.get(id), said.get(id)]
    const type = ours?.type ?? theirs?.ResourceType ?? ''
    const effect = [ours?.effect, theirs && effectOf(theirs)]
      .filter((one) => one !== undefined)
      .reduce(worse, 'add')
    const differing = [...new Set([...(ours?.differing ?? []), ...namesOf(theirs)])]
    const whole = { id, type, effect, differing }
    return { ...whole, blocked: blocked(whole), said: theirs && inItsWords(theirs) }
  })
}

function effectOf({ Action: action, Replacement: replacement }: ResourceChange): Effect {
  if (action === 'Add' || action === 'Import') return 'add'
  if (action === 'Remove') return 'remove'
  if (replacement === 'True') return 'replace'
  // "Dynamic": it can't say yet what it will do.
  return replacement === 'Conditional' || action === 'Dynamic' ? 'may-replace' : 'update'
}

const namesOf = (change: ResourceChange | undefined): string[] =>
  (change?.Details ?? []).flatMap(({ Target: target }) => target?.Name ?? target?.Attribute ?? [])

const inItsWords = ({ Action, Replacement, PolicyAction }: ResourceChange): string =>
  [Action, Replacement && `Replacement ${Replacement}`, PolicyAction].filter(Boolean).join(', ')

/**
 * @param allowed logical ids that were named on purpose
 * @throws BlockedChange for what is blocked and not named, and for names that nothing needs
 */
export function pass(changes: readonly Judged[], allowed: readonly string[]): void {
  const blocked = changes.filter((change) => change.blocked !== undefined)
  const refused = blocked.filter(({ id }) => !allowed.includes(id))
  if (refused.length > 0)
    throw new BlockedChange(
      [
        'Nothing was changed, because this would lose or lay open data:',
        ...refused.map((change) => `  ${change.id} ${change.blocked} (CloudFormation: ${change.said})`),
        'If that is what is meant, and a snapshot keeps what would be lost:',
        `  ${refused.map(({ id }) => `--allow-replace ${id}`).join(' ')}`,
      ].join('\n'),
    )
  const needless = allowed.filter((id) => !blocked.some((change) => change.id === id))
  if (needless.length > 0)
    throw new BlockedChange(
      `Nothing was changed: --allow-replace ${needless.join(', ')} allows what this plan does not do. ` +
        'A name that is left over would allow something else another time.',
    )
}

/** What may be made anew in the execution of these changes: all of it has passed. */
export const replaceable = (changes: readonly Judged[]): Set<string> =>
  new Set(
    changes.filter(({ effect }) => effect === 'replace' || effect === 'may-replace').map(({ id }) => id),
  )
