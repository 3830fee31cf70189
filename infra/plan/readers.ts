// Who may come to what holds data: by its own policy, a bucket's, a key's, a secret's, or by becoming a role of ours.
import type { Template } from '../cfn.ts'
import { at, list, refersTo } from '../reading.ts'
import { canonical } from './mentions.ts'

const ROLE = 'AWS::IAM::Role'
/** Where a policy stands, and what names the thing that it is for; undefined: it stands in that itself. */
const POLICIES: Readonly<Record<string, { readonly policy: string; readonly of?: string }>> = {
  [ROLE]: { policy: 'AssumeRolePolicyDocument' },
  'AWS::S3::BucketPolicy': { policy: 'PolicyDocument', of: 'Bucket' },
  'AWS::KMS::Key': { policy: 'KeyPolicy' },
  'AWS::OpenSearchService::Domain': { policy: 'AccessPolicies' },
  'AWS::SecretsManager::ResourcePolicy': { policy: 'ResourcePolicy', of: 'SecretId' },
}

interface Said {
  /** The resource that says it. */
  readonly by: string
  /** Logical id of the thing, or a name outside the template. */
  readonly thing: string
  readonly statement: unknown
  /** Whether it is a role that is made, or changed: it comes to what others hold. */
  readonly isRole: boolean
}

/** @returns what gets worse, in words, by the ids of what changes it */
export function readersAdded(before: Template, after: Template): [id: string, reason: string][] {
  const [was, is] = [statements(before), statements(after)]
  // What has no logical id of this template is there: somebody made it elsewhere.
  const isThere = (template: Template, { thing }: Said) =>
    !/^\w+$/.test(thing) || template.Resources[thing] !== undefined
  // The thing that goes is judged itself.
  const unrefused = was
    .filter((said) => at(said.statement, 'Effect') === 'Deny' && isThere(after, said))
    .filter((said) => !is.some((other) => at(other.statement, 'Effect') === 'Deny' && covers(other, said)))
  const admitted = is
    .filter((said) => at(said.statement, 'Effect') === 'Allow' && (said.isRole || isThere(before, said)))
    .filter((said) => !was.some((other) => at(other.statement, 'Effect') === 'Allow' && covers(other, said)))
  return [
    ...unrefused.map(({ by, thing, statement }): [string, string] => [
      is.find((said) => said.thing === thing)?.by ?? by,
      `no longer refuses what ${thing} has refused: ${String(at(statement, 'Sid') ?? canonical(at(statement, 'Action')))}`,
    ]),
    ...admitted.flatMap(({ by, thing, statement, isRole }) =>
      strangers(statement, before).map((who): [string, string] => [
        by,
        isRole ? `lets ${who} do what ${thing} may` : `lets ${who} come to what ${thing} holds`,
      ]),
    ),
  ]
}

/** Whether one statement says at least what another one says of the same thing. */
function covers(one: Said, other: Said): boolean {
  const rest = ({ thing, statement }: Said) =>
    canonical({ ...Object(statement), thing, Sid: '', Action: '', Resource: '' })
  const all = (said: Said, name: string) => list(at(said.statement, name)).map(canonical)
  return (
    rest(one) === rest(other) &&
    ['Action', 'Resource'].every((name) => all(other, name).every((item) => all(one, name).includes(item)))
  )
}

function statements(template: Template): Said[] {
  return Object.entries(template.Resources).flatMap(([by, { Type, Properties }]) => {
    const place = POLICIES[Type]
    if (place === undefined) return []
    const named = place.of === undefined ? undefined : Properties[place.of]
    const thing = place.of === undefined ? by : (refersTo(named) ?? canonical(named ?? ''))
    return list(at(Properties[place.policy], 'Statement')).map((statement) => ({
      by,
      thing,
      statement,
      isRole: Type === ROLE,
    }))
  })
}

/** Who is let in that is neither a service of AWS, nor made by the template, nor of an account that it has named before. */
function strangers(statement: unknown, before: Template): string[] {
  if (at(statement, 'NotPrincipal') !== undefined) return ['everyone but a few']
  const principal = at(statement, 'Principal')
  if (typeof principal !== 'object' || principal === null) return ['everyone']
  const known = canonical(before.Resources)
  return Object.entries(principal)
    .filter(([kind]) => kind !== 'Service')
    .flatMap(([, who]) => list(who))
    .flatMap((who) => {
      if (who === '*') return ['everyone']
      const accounts = canonical(who).match(/(?<!\d)\d{12}(?!\d)/g) ?? []
      const strange = accounts.filter((account) => !known.includes(account))
      // A text without an account is somebody's name elsewhere: a canonical user, an identity provider.
      if (accounts.length === 0 && typeof who === 'string') return [who]
      return strange.map((account) => `account ${account}`)
    })
}
