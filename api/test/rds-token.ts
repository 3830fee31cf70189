// Whether RDS would take a token: a request to sign in (`HOST:PORT/?Action=connect&DBUser=ROLE&…`), signed for the service
// rds-db by AWS's Signature Version 4 in its query, good for 15 minutes. Computed here by the signature's own rules.
import { createHash, createHmac } from 'node:crypto'

export interface AwsIdentity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

const SIGNATURE = 'X-Amz-Signature'

/** @returns what is wrong with it, or null */
export function tokenProblem(
  token: string,
  place: { readonly host: string; readonly port: number; readonly role: string },
  identity: AwsIdentity,
): string | null {
  if (!URL.canParse(`https://${token}`)) return 'no address'
  const url = new URL(`https://${token}`)
  const query = url.searchParams
  const host = `${place.host}:${place.port}`
  if (url.host !== host) return `for ${url.host}`
  if (query.get('Action') !== 'connect' || query.get('DBUser') !== place.role) return 'for another role'
  const date = query.get('X-Amz-Date') ?? ''
  const day = date.slice(0, 8)
  const scope = [day, identity.region, 'rds-db', 'aws4_request']
  if (query.get('X-Amz-Credential') !== [identity.accessKeyId, ...scope].join('/')) return 'of somebody else'
  const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  const seconds = Number(query.get('X-Amz-Expires'))
  if (!(seconds <= 900 && Date.now() < at + seconds * 1000)) return 'expired'
  const signed = [...query]
    .filter(([name]) => name !== SIGNATURE)
    .map((pair) => pair.map(escaped).join('='))
    .sort()
    .join('&')
  const request = ['GET', '/', signed, `host:${host}`, '', 'host', sha256('')].join('\n')
  const text = ['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(request)].join('\n')
  const key = scope.reduce<string | Buffer>(
    (from, part) => hmac(from, part),
    `AWS4${identity.secretAccessKey}`,
  )
  return hmac(key, text).toString('hex') === query.get(SIGNATURE) ? null : 'wrongly signed'
}

const escaped = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
