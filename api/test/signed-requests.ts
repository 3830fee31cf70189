// For tests: what a service of AWS does with a signed request (SigV4), from AWS's description of it alone.
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** The identity that has signed; whose secrets are known. */
export interface Signer {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const escaped = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)

const FORM =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/

/** @returns what is wrong, undefined when the request is as it was signed, for this region and service */
export function wrongSignature(
  request: Pick<IncomingMessage, 'headers' | 'method' | 'url'>,
  body: Buffer,
  known: readonly Signer[],
  place: { readonly region: string; readonly service: string },
): string | undefined {
  const { headers, method = '', url = '' } = request
  const [, id, day = '', region, service, names = '', signature] =
    FORM.exec(headers.authorization ?? '') ?? []
  const signer = known.find(({ accessKeyId }) => accessKeyId === id)
  if (signer === undefined) return 'The security token included in the request is invalid.'
  if (region !== place.region || service !== place.service)
    return 'Credential should be scoped to another place'
  if (headers['x-amz-security-token'] !== signer.sessionToken) return 'another session'
  const signed = names.split(';')
  if (!signed.includes('host') || !signed.includes('x-amz-date')) return 'host or date are not signed'
  if (sha256(body) !== headers['x-amz-content-sha256']) return 'another body'
  const [path = '', query = ''] = url.split('?')
  const pairs = [...new URLSearchParams(query)].map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
  const canonical = [
    ...[method, path.split('/').map(escaped).join('/'), pairs.sort().join('&')],
    ...signed.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`),
    ...['', names, sha256(body)],
  ].join('\n')
  const date = String(headers['x-amz-date'])
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/${service}/aws4_request`, sha256(canonical)].join(
    '\n',
  )
  const key = ['aws4_request', service, region, day].reduceRight<Buffer>(
    (made, part) => hmac(made, part),
    Buffer.from(`AWS4${signer.secretAccessKey}`),
  )
  if (!date.startsWith(day) || hmac(key, text).toString('hex') !== signature)
    return 'The request signature we calculated does not match the signature you provided.'
  return undefined
}
