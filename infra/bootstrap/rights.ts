// Rights, action by action, each held to the least that AWS can hold it to.
import type { Conditions, Statement } from '../policy.ts'

/** What some actions are held to. */
export interface Scope {
  /** The statement's name: letters and digits. */
  readonly sid: string
  /** Exact actions, or all of a service (`rds`), or all of a service that only read (`rds:Describe`). */
  readonly of: readonly string[]
  readonly on: string | readonly string[]
  readonly when?: Conditions
  /** Another condition that will do: within one statement AWS wants all of them to hold. */
  readonly or?: Conditions
}

/** Everything of ours carries it: stacks pass it on to what they make. */
export const TAG = { key: 'service', value: 'terrace' } as const
export const OURS: Conditions = { StringEquals: { [`aws:ResourceTag/${TAG.key}`]: TAG.value } }
/** What is being made, and is to carry it. */
export const TO_BE_OURS: Conditions = { StringEquals: { [`aws:RequestTag/${TAG.key}`]: TAG.value } }

/**
 * A policy's statements: every action in the first scope that it belongs to.
 * @throws Error for an action that belongs to none: it would be allowed nowhere
 */
export function held(actions: Iterable<string>, scopes: readonly Scope[]): Statement[] {
  const byScope = new Map<Scope, string[]>()
  for (const action of [...new Set(actions)].sort()) {
    const scope = scopes.find(({ of }) => of.some((one) => covers(one, action)))
    if (scope === undefined) throw new Error(`nothing says what ${action} is held to`)
    byScope.set(scope, [...(byScope.get(scope) ?? []), action])
  }
  return scopes.flatMap((scope) => {
    const own = byScope.get(scope)
    if (own === undefined) return []
    const statement = (Sid: string, when: Conditions | undefined): Statement => ({
      Sid,
      Effect: 'Allow',
      Action: own,
      Resource: scope.on,
      ...(when && { Condition: when }),
    })
    return [
      statement(scope.sid, scope.when),
      ...(scope.or === undefined ? [] : [statement(`${scope.sid}Too`, scope.or)]),
    ]
  })
}

function covers(pattern: string, action: string): boolean {
  const [service, beginning] = pattern.split(':')
  const [of, name] = action.split(':')
  if (service !== of || name === undefined) return false
  return beginning === undefined || name === beginning || (READS.has(beginning) && name.startsWith(beginning))
}
const READS: ReadonlySet<string> = new Set(['Describe', 'Get', 'List'])

/** Removals of things that AWS can hold to a tag. Against mistakes: whoever may set tags could set this one. */
export const REMOVALS = [
  'ec2:DeleteFlowLogs',
  'ec2:DeleteInternetGateway',
  'ec2:DeleteNatGateway',
  'ec2:DeleteRouteTable',
  'ec2:DeleteSecurityGroup',
  'ec2:DeleteSubnet',
  'ec2:DeleteVpc',
  'ec2:DeleteVpcEndpoints',
  'ec2:ReleaseAddress',
  'elasticloadbalancing:DeleteLoadBalancer',
  'elasticloadbalancing:DeleteTargetGroup',
  'acm:DeleteCertificate',
]
