// What OPENSEARCH_URL says: a domain of Amazon's is one address, nodes that somebody runs are several, separated by
// commas. Pure, so that reading the environment does not load the client.

/** What OpenSearch takes as an index's name, with room for what is put after it. */
const NAME = /^\/(?:[a-z][a-z0-9_-]{0,99})?$/
/** Not at any comma: a password may hold one. */
const BETWEEN = /\s*,\s*(?=[a-z][a-z0-9+.-]*:\/\/)/i
const DEFAULT_NAME = 'terrace'

export interface ClusterAddress {
  /** Origins of its nodes, each once. */
  readonly nodes: readonly [string, ...string[]]
  /** Null: no sign-in by user and password. */
  readonly user: { readonly username: string; readonly password: string } | null
  /** What the index is searched by there. */
  readonly name: string
}

/** @returns why it can not be used, in words that hold nothing of it: it may hold a password. Null: it can */
export function addressProblem(value: string): string | null {
  const urls = value.split(BETWEEN)
  if (!urls.every(isAddress))
    return 'must be an http or https address, or several of one cluster with commas between them'
  const parsed = urls.map((url) => new URL(url))
  if (!parsed.every(({ pathname, search, hash }) => NAME.test(pathname + search + hash)))
    return 'may end in one name of lower-case letters, digits, - and _, which begins with a letter; nothing may follow it'
  if (different(parsed, ({ pathname }) => pathname.slice(1)))
    return 'names more than one index: one of the addresses may end in a name, or all in the same'
  if (different(parsed, ({ username, password }) => (username === '' ? '' : `${username}:${password}`)))
    return 'names more than one user: all nodes of a cluster know the same ones'
  if (different(parsed, ({ protocol }) => protocol)) return 'must be all http or all https'
  return null
}

/** @throws Error: the problem, in a sentence */
export function readAddress(value: string): ClusterAddress {
  const problem = addressProblem(value)
  if (problem !== null) throw new Error(`The address of OpenSearch ${problem}.`)
  const urls = value.split(BETWEEN).map((url) => new URL(url))
  const [first = '', ...others] = new Set(urls.map(({ origin }) => origin))
  const signed = urls.find(({ username }) => username !== '')
  const named = urls.find(({ pathname }) => pathname !== '/')
  return {
    nodes: [first, ...others],
    user:
      signed === undefined
        ? null
        : { username: decodeURIComponent(signed.username), password: decodeURIComponent(signed.password) },
    name: named?.pathname.slice(1) ?? DEFAULT_NAME,
  }
}

/** Whether two of them say different things; who says nothing agrees. */
function different(urls: readonly URL[], of: (url: URL) => string): boolean {
  return new Set(urls.map(of).filter((said) => said !== '')).size > 1
}

/** A comma is taken as a part of the host where the next address has no protocol. */
function isAddress(url: string): boolean {
  return URL.canParse(url) && /^https?:\/\//i.test(url) && !new URL(url).hostname.includes(',')
}
