// Signing in to Amazon OpenSearch Service: every request carries a signature (SigV4) of its method, path, query and body,
// made with the server's own AWS credentials. There is no password, and nothing that could be used for another request.
import type { ClientOptions } from '@opensearch-project/opensearch'
import { AwsSigv4Signer } from '@opensearch-project/opensearch/aws-v3'
import { type AwsCredentialSource, createAwsCredentials, NoAwsCredentials } from '../../../aws-credentials.ts'

/** How a cluster's requests are signed. */
export interface SignIn {
  readonly client: Pick<ClientOptions, 'Connection' | 'Transport'>
  /** A request was refused: the next ones are signed with credentials that are asked for anew. */
  refused(): void
}

export interface SignInOptions {
  readonly credentials?: AwsCredentialSource
  /** Milliseconds since 1970. Default: the clock. */
  readonly now?: () => number
}

/** Milliseconds between two askings after refusals: a role that lacks rights gets the same answer however often. */
const AGAIN_MS = 10_000

export function createSignIn(region: string, options: SignInOptions = {}): SignIn {
  const { credentials = createAwsCredentials(), now = Date.now } = options
  let isRefused = false
  let askedAnew = Number.NEGATIVE_INFINITY
  const getCredentials = async () => {
    const anew = isRefused && now() >= askedAnew + AGAIN_MS
    if (anew) {
      isRefused = false
      askedAnew = now()
    }
    // The signer keeps what does not say that it has expired; when to ask again is decided by our source.
    return { ...(await credentials.current(anew)), expired: true }
  }
  return {
    client: AwsSigv4Signer({ region, service: 'es', getCredentials }),
    refused() {
      isRefused = true
    },
  }
}

/** What a server without credentials is told; undefined of any other error. */
export const unsigned = (host: string, error: unknown): string | undefined =>
  error instanceof NoAwsCredentials
    ? `Requests to OpenSearch at ${host} can not be signed (OPENSEARCH_AUTH=iam): ${error.message}.`
    : undefined

/** @param why what AWS says, which names the role that asked */
export const notAllowed = (host: string, status: number, why: string): string =>
  `OpenSearch at ${host} refuses the server's AWS role (${status}, OPENSEARCH_AUTH=iam)${why === '' ? '' : `: ${why}`}. ` +
  'The role has to be allowed es:ESHttp* on this domain, the domain has to let the role in, its region has to be AWS_REGION, and the clock has to be right.'

/** AWS's own refusals: `{"Message": …}`, or `{"message": …}` of the service's front. */
export function reasonOfAws(body: unknown): string {
  if (typeof body !== 'object' || body === null) return ''
  const { Message, message } = body as { Message?: unknown; message?: unknown }
  const told = Message ?? message
  return typeof told === 'string' ? told.slice(0, 300).replace(/\.$/, '') : ''
}
