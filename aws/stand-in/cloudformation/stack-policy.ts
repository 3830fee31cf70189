// Stack policies, as CloudFormation holds updates to them: what is not allowed is denied, and a denial wins.
interface Statement {
  readonly Effect: string
  readonly Action?: string | readonly string[]
  readonly NotAction?: string | readonly string[]
  readonly Resource?: string | readonly string[]
}

type Action = 'Update:Modify' | 'Update:Replace' | 'Update:Delete'

/** Why an update may not do something; undefined when it may. */
export function deniedBy(policy: string | undefined, action: Action, id: string): string | undefined {
  if (policy === undefined) return undefined
  const { Statement: statements }: { Statement: Statement[] } = JSON.parse(policy)
  const hits = statements
    .map((statement, index) => ({ ...statement, number: index + 1 }))
    .filter(
      ({ Action: is, NotAction: isNot, Resource: resource = [] }) =>
        matches(resource, `LogicalResourceId/${id}`) &&
        (isNot === undefined ? matches(is ?? [], action) : !matches(isNot, action)),
    )
  const denial = hits.find(({ Effect }) => Effect === 'Deny')
  if (denial === undefined && hits.some(({ Effect }) => Effect === 'Allow')) return undefined
  const by = denial === undefined ? 'no statement allows' : `Statement [#${denial.number}] does not allow`
  return `Action denied by stack policy: ${by} [${action}] for resource [LogicalResourceId/${id}];`
}

const matches = (patterns: string | readonly string[], text: string) =>
  [patterns]
    .flat()
    .some((pattern) =>
      new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(text),
    )
