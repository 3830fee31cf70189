// Roles, of which only those of AWS's own services are made here; a stack's are resources of it.
import type {
  CreateServiceLinkedRoleCommandInput,
  GetOpenIDConnectProviderCommandInput,
  GetRoleCommandInput,
} from '@aws-sdk/client-iam'
import type { VirtualClock } from './clock.ts'
import { awsError, type Operations } from './service.ts'
import { NEW_ROLE } from './timings.ts'

/** The names that these services give their roles. */
const LINKED: Readonly<Record<string, string>> = {
  'autoscaling.amazonaws.com': 'AWSServiceRoleForAutoScaling',
  'elasticloadbalancing.amazonaws.com': 'AWSServiceRoleForElasticLoadBalancing',
  'opensearchservice.amazonaws.com': 'AWSServiceRoleForAmazonOpenSearchService',
  'rds.amazonaws.com': 'AWSServiceRoleForRDS',
}

export class Roles {
  /** By their names. */
  readonly roles = new Set<string>()
  /** ARNs of those who vouch for others. */
  readonly providers = new Set<string>()
  readonly #account: string
  readonly #clock: VirtualClock
  /** When roles were made here, in milliseconds; those that a test puts there have always been. */
  readonly #madeAt = new Map<string, number>()

  constructor(account: string, clock: VirtualClock) {
    this.#account = account
    this.#clock = clock
  }

  /** Whether a policy names a service's role that is not there, or so new that other services don't know it yet. */
  isUnknownIn(policy: unknown): boolean {
    const named = [...(JSON.stringify(policy) ?? '').matchAll(/:role\/aws-service-role\/[^/"]+\/(\w+)/g)]
    const since = this.#clock.now().getTime() - NEW_ROLE * 1_000
    return named.some(([, name = '']) => !this.roles.has(name) || (this.#madeAt.get(name) ?? 0) > since)
  }

  #role(name: string, service?: string) {
    const path = service === undefined ? '/' : `/aws-service-role/${service}/`
    return {
      RoleName: name,
      Path: path,
      RoleId: 'AROAEXAMPLE',
      Arn: `arn:aws:iam::${this.#account}:role${path}${name}`,
      CreateDate: new Date(0),
    }
  }

  provider(url: string): string {
    return `arn:aws:iam::${this.#account}:oidc-provider/${url.replace('https://', '')}`
  }

  readonly operations: Operations = {
    GetOpenIDConnectProvider: ({
      OpenIDConnectProviderArn: arn = '',
    }: GetOpenIDConnectProviderCommandInput) => {
      if (!this.providers.has(arn))
        throw awsError('NoSuchEntityException', `OpenIDConnect Provider not found for arn ${arn}`, 404)
      return { ClientIDList: [] }
    },
    GetRole: ({ RoleName: name = '' }: GetRoleCommandInput) => {
      if (!this.roles.has(name))
        throw awsError('NoSuchEntityException', `The role with name ${name} cannot be found.`, 404)
      const service = Object.entries(LINKED).find(([, role]) => role === name)?.[0]
      return { Role: this.#role(name, service) }
    },
    CreateServiceLinkedRole: ({ AWSServiceName: service = '' }: CreateServiceLinkedRoleCommandInput) => {
      const name = Object.hasOwn(LINKED, service) ? LINKED[service] : undefined
      if (name === undefined) throw new Error(`The stand-in for IAM knows no role of ${service}`)
      if (this.roles.has(name))
        throw awsError(
          'InvalidInputException',
          `Service role name ${name} has been taken in this account, please try a different suffix.`,
        )
      this.roles.add(name)
      this.#madeAt.set(name, this.#clock.now().getTime())
      return { Role: this.#role(name, service) }
    },
  }
}
