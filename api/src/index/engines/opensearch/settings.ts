// How one signs in to the cluster, as the environment says it.
import { readAddress } from './address.ts'

export type SearchAuth =
  /** That of OPENSEARCH_URL, or none. */
  | { readonly kind: 'password' }
  /** A signature of each request (sign-in.ts), for the region of the domain. */
  | { readonly kind: 'iam'; readonly region: string }

/** @throws Error naming what sign-in by IAM lacks */
export function parseSearchAuth(e: {
  readonly OPENSEARCH_AUTH: 'password' | 'iam'
  readonly OPENSEARCH_URL?: string | undefined
  readonly AWS_REGION?: string | undefined
}): SearchAuth {
  if (e.OPENSEARCH_AUTH !== 'iam') return { kind: 'password' }
  const wrong = (reason: string) => new Error(`The environment is not complete:\n  ${reason}`)
  if (e.OPENSEARCH_URL === undefined)
    throw wrong('OPENSEARCH_URL: OPENSEARCH_AUTH=iam needs it: the address of the domain')
  const { nodes, user } = readAddress(e.OPENSEARCH_URL)
  // Not by http: beside the signature the session's token would stand there for anyone to read.
  if (!nodes.every((node) => node.startsWith('https:')) || user !== null)
    throw wrong(
      'OPENSEARCH_URL: with OPENSEARCH_AUTH=iam it is https://DOMAIN/NAME, without a user and a password',
    )
  if (e.AWS_REGION === undefined)
    throw wrong('AWS_REGION: needed with OPENSEARCH_AUTH=iam: the region of the domain')
  return { kind: 'iam', region: e.AWS_REGION }
}
