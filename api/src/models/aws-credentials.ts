// The machine's AWS credentials, for models that are asked with them. The SDK's own providers ask for a role; the way out
// for requests (outbound.ts) never leads to them.
import { type AwsCredentials, createAwsCredentials } from '../aws-credentials.ts'
import { AppError } from '../errors.ts'

export interface ModelCredentialSource {
  /**
   * Those of now. `anew`: whatever is kept.
   * @param id of the model that needs them, for the log
   * @throws AppError MODEL_REFUSED_KEY when there are none
   */
  current(id: string, anew?: boolean): Promise<AwsCredentials>
}

export function createModelCredentials(source = createAwsCredentials()): ModelCredentialSource {
  return {
    async current(id, anew) {
      try {
        return await source.current(anew)
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : 'no AWS credentials'
        throw new AppError('MODEL_REFUSED_KEY', {}, { internal: `model ${id}: ${reason}`, cause })
      }
    },
  }
}
