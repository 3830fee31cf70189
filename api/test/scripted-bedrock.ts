// Amazon Bedrock's ConverseStream, as the scripted model speaks it. Every request's signature is checked, from AWS's own
// description of it, and frames are put together by AWS's own codec: neither is the code that is tested.
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { EventStreamCodec } from '@smithy/eventstream-codec'
import type { AwsKeys, Reply, Wire } from './scripted-wire.ts'

/** The one that the scripted runtime stands in. */
export const SCRIPTED_REGION = 'eu-central-1'

interface Body {
  readonly system?: readonly { text: string }[]
  readonly messages: readonly { role: string; content: readonly { text: string }[] }[]
  readonly inferenceConfig?: { readonly maxTokens?: number }
}

const PATH = /^\/model\/([^/]+)\/converse-stream$/

export const BEDROCK: Wire = {
  serves: PATH,
  contentType: 'application/vnd.amazon.eventstream',
  refusal: checkSignature,
  asked({ url = '' }, given) {
    const body = given as unknown as Body
    const joined = (content: readonly { text: string }[]) => content.map(({ text }) => text).join('')
    return {
      model: decodeURIComponent(PATH.exec(url)?.[1] ?? ''),
      messages: [
        ...(body.system ?? []).map(({ text }) => ({ role: 'system', content: text })),
        ...body.messages.map(({ role, content }) => ({ role, content: joined(content) })),
      ],
      maxTokens: body.inferenceConfig?.maxTokens ?? null,
      stream: true,
    }
  },
  token: (_model, text) => event('contentBlockDelta', { contentBlockIndex: 0, delta: { text }, p: 'abcd' }),
  thought: (_model, text) =>
    event('contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { text } } }),
  end(request, terse) {
    const usage = { inputTokens: 12, outputTokens: request.sent, totalTokens: 12 + request.sent }
    return Buffer.concat([
      event('contentBlockStop', { contentBlockIndex: 0 }),
      event('messageStop', { stopReason: 'end_turn' }),
      ...(terse ? [] : [event('metadata', { usage, metrics: { latencyMs: 1 } })]),
    ])
  },
  error(status, { kind = KINDS[status] ?? 'InternalServerException', says = `scripted error ${status}` }) {
    return refused(status, kind, says)
  },
  errorEvent(status) {
    const kind = KINDS[status] ?? 'InternalServerException'
    return exceptionFrame(kind.charAt(0).toLowerCase() + kind.slice(1), `scripted error ${status}`)
  },
  get garbage() {
    const frame = Buffer.from(event('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'wrong' } }))
    // One bit of the text: only the checksum tells.
    const at = frame.indexOf('wrong')
    frame.writeUInt8(frame.readUInt8(at) ^ 1, at)
    return frame
  },
}

const KINDS: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  410: '',
  424: 'ModelStreamErrorException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceUnavailableException',
}

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
)

/** A frame of the stream, as the service sends them. */
export function event(type: string, payload: object): Uint8Array {
  return codec.encode({
    headers: {
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: 'application/json' },
      ':message-type': { type: 'string', value: 'event' },
    },
    body: Buffer.from(JSON.stringify(payload)),
  })
}

/** `kind`: `exception`, or `error` for what the service has no shape for. */
export function exceptionFrame(type: string, message: string, kind = 'exception'): Uint8Array {
  const name = kind === 'exception' ? ':exception-type' : ':error-code'
  return codec.encode({
    headers: {
      [name]: { type: 'string', value: type },
      ':message-type': { type: 'string', value: kind },
    },
    body: Buffer.from(JSON.stringify({ message })),
  })
}

function refused(status: number, kind: string, message: string): Reply {
  return { status, headers: { 'x-amzn-errortype': `${kind}:http://internal.example/` }, body: { message } }
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function checkSignature(message: IncomingMessage, body: string, aws: AwsKeys | undefined): Reply | null {
  const given = message.headers
  const [, id = '', day = '', scope = '', names = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      given.authorization ?? '',
    ) ?? []
  const token = String(given['x-amz-security-token'] ?? '')
  const secret = aws?.(id, token) ?? null
  if (secret === null) return refused(403, 'UnrecognizedClientException', 'The security token is invalid')
  if (secret === 'expired') return refused(403, 'ExpiredTokenException', 'The security token is expired')
  const wrong = (what: string) => refused(403, 'InvalidSignatureException', what)
  if (scope !== `${SCRIPTED_REGION}/bedrock/aws4_request`) return wrong('the scope')
  const signed = names.split(';')
  const needed = ['host', 'x-amz-date', ...(token === '' ? [] : ['x-amz-security-token'])]
  if (!needed.every((name) => signed.includes(name))) return wrong('a header that is not signed')
  const date = String(given['x-amz-date'])
  if (!date.startsWith(day)) return wrong('the date')
  const canonical = [
    'POST',
    // Encoded once more than it was sent.
    (message.url ?? '').split('/').map(encoded).join('/'),
    '',
    ...signed.map((name) => `${name}:${String(given[name]).trim()}`),
    '',
    names,
    hash(body),
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${scope}`, hash(canonical)].join('\n')
  const key = [day, SCRIPTED_REGION, 'bedrock', 'aws4_request'].reduce(mac, `AWS4${secret}`)
  return mac(key, text).toString('hex') === signature ? null : wrong('the signature')
}

function encoded(part: string): string {
  const byte = (letter: string) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(part).replace(/[!'()*]/g, byte)
}
