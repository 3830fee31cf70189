// How the image's programs reach AWS: by the role of the machine, and by nothing else than the SDK.
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { SSMClient } from '@aws-sdk/client-ssm'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import type { Aws } from '../../aws/port.ts'

export type BootAws = Pick<Aws, 'autoscaling' | 'secretsmanager' | 'ssm'>

/**
 * Asks nothing yet. Another endpoint than AWS's own (AWS_ENDPOINT_URL, and AWS_ENDPOINT_URL_SSM and so on) and other
 * credentials than the machine's are found as the SDK finds them.
 */
export function connectFromInside(region: string): BootAws {
  const settings = {
    region,
    credentials: defaultProvider({ timeout: 2_000, maxRetries: 3, ec2MetadataV1Disabled: true }),
    // Short: whoever calls tries again, and says what is wrong meanwhile.
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
  }
  return {
    autoscaling: new AutoScalingClient(settings),
    secretsmanager: new SecretsManagerClient(settings),
    ssm: new SSMClient(settings),
  }
}

/** What AWS has said, in a sentence that names what was asked for; no value of a parameter or secret stands in such errors. */
export function inWords(what: string, error: unknown): Error {
  if (!(error instanceof Error)) return new Error(`${what}: ${String(error)}`)
  const said = `${error.name}: ${error.message.replaceAll(/\s+/g, ' ').trim().slice(0, 500)}`
  const advice = ADVICE.find(([names]) => names.test(error.name))?.[1] ?? network(error) ?? ''
  return new Error(`${what}.${advice} (${said})`, { cause: error })
}

const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^(AccessDenied|UnauthorizedOperation)/, ' The role of this server may not: its stack gives the right.'],
  [/^(Throttling|TooManyRequests|RequestLimitExceeded|SlowDown)/, ' AWS slows this account down.'],
  [/^CredentialsProviderError/, ' The machine has no role: its launch template has to name a profile.'],
  [/^ResourceNotFound/, ' It is not there: deleted, or of another region.'],
  [/^InvalidRequest/, ' Its state does not allow it: it may be marked for deletion.'],
  [/^(DecryptionFailure|InvalidKeyId)/, ' Its key can not be used by the role of this server.'],
  [
    /^(ExpiredToken|InvalidSignature|RequestExpired|SignatureDoesNotMatch)/,
    ' The machine’s clock may be wrong.',
  ],
  [/^TimeoutError/, ' There was no answer: the way out of the subnet may be closed.'],
]

function network(error: Error): string | undefined {
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' &&
    /^(EAI_AGAIN|ECONN\w+|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EPIPE|ETIMEDOUT)$/.test(code)
    ? ' There was no answer: the way out of the subnet may be closed.'
    : undefined
}
