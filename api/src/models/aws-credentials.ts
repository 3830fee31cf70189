// Who this process is to AWS, found as every AWS program finds it: environment, shared files, a container's or the
// machine's role. The SDK's own providers ask for a role; the way out for requests (outbound.ts) never leads to them.
import { AppError } from '../errors.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface AwsCredentialSource {
  /**
   * Those of now: kept, and asked for again before they expire. `anew`: whatever is kept.
   * @param id of the model that needs them, for the log
   * @throws AppError MODEL_REFUSED_KEY when there are none
   */
  current(id: string, anew?: boolean): Promise<AwsCredentials>
}

export function createAwsCredentials(): AwsCredentialSource {
  // Loaded with the first model that needs it: most installations have none.
  const loaded = import('@aws-sdk/credential-provider-node').then(({ defaultProvider }) => defaultProvider())
  loaded.catch(() => {})
  return {
    async current(id, anew = false) {
      try {
        const provide = await loaded
        const { accessKeyId, secretAccessKey, sessionToken } = await provide(
          anew ? { forceRefresh: true } : {},
        )
        return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
      } catch (cause) {
        throw new AppError(
          'MODEL_REFUSED_KEY',
          {},
          {
            internal: `model ${id}: no AWS credentials: none in the environment, the shared files or a role`,
            cause,
          },
        )
      }
    },
  }
}
