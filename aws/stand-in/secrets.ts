// Secrets Manager: what a server reads when it boots.
import type { GetSecretValueCommandInput } from '@aws-sdk/client-secrets-manager'
import { awsError, type Operations } from './service.ts'

interface Secret {
  value: string | Uint8Array
  version: number
  deleted: boolean
}

export class Secrets {
  readonly #secrets = new Map<string, Secret>()

  /** Makes it, or gives it another version. */
  put(arn: string, value: string | Uint8Array): void {
    const version = (this.#secrets.get(arn)?.version ?? 0) + 1
    this.#secrets.set(arn, { value, version, deleted: false })
  }

  /** It can be taken back for days, and not be read. */
  scheduleDeletion(arn: string): void {
    const found = this.#secrets.get(arn)
    if (found !== undefined) found.deleted = true
  }

  readonly operations: Operations = {
    GetSecretValue: ({ SecretId: arn = '' }: GetSecretValueCommandInput) => {
      const found = this.#secrets.get(arn)
      if (found === undefined)
        throw awsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
      if (found.deleted)
        throw awsError(
          'InvalidRequestException',
          'You can’t perform this operation on the secret because it was marked for deletion.',
        )
      const { value, version } = found
      return {
        ARN: arn,
        VersionId: `00000000-0000-4000-8000-${String(version).padStart(12, '0')}`,
        VersionStages: ['AWSCURRENT'],
        ...(typeof value === 'string' ? { SecretString: value } : { SecretBinary: value }),
      }
    },
  }
}
