// Looks at the servers of models: are they there, do they take the key, do they know the name? No token is spent on it.
// A server may be broken or hostile: of a reply only so many bytes are read, for only so long, and nothing of its text
// goes further than the comparison of names.
import type { Look, Seen } from './availability.ts'
import type { Outbound, OutboundResponse } from './outbound.ts'

export interface Looks {
  /**
   * By the list of models that servers of OpenAI's protocol have at `url`/models. Those that have none, or one that can
   * not be read, are known to be there, and that is all.
   */
  byList(url: string, apiKey: string | undefined, model: string): Look
  /** By the health of our own model endpoint (worker/), which names its models to anybody: its list wants a token. */
  byHealth(url: string, model: string): Look
}

/** From the request to the reply's last byte. */
const LOOK_MS = 5_000
/** The longest lists of hosted services have half of it. */
const MAX_BYTES = 2_000_000

interface Reply {
  /** Null: nobody answered. */
  readonly status: number | null
  /** Undefined: no JSON, too much of it, or too slow. */
  readonly body: unknown
}

export function createLooks(outbound: Outbound): Looks {
  // Models of one server are looked at together: one request for all of them.
  const running = new Map<string, Promise<Reply>>()
  const ask = (url: string, apiKey?: string): Promise<Reply> => {
    const place = `${url} ${apiKey ?? ''}`
    const asked = running.get(place)
    if (asked !== undefined) return asked
    const asking = request(outbound, url, apiKey).finally(() => running.delete(place))
    running.set(place, asking)
    return asking
  }
  return {
    byList: (url, apiKey, model) => async () =>
      seenByList(await ask(`${url.replace(/\/$/, '')}/models`, apiKey), model),
    byHealth: (url, model) => async () => seenByHealth(await ask(`${url}/health`), model),
  }
}

async function request(outbound: Outbound, url: string, apiKey: string | undefined): Promise<Reply> {
  const signal = AbortSignal.timeout(LOOK_MS)
  let response: OutboundResponse
  try {
    response = await outbound.request(url, {
      method: 'GET',
      headers: {
        accept: 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      signal,
    })
  } catch {
    return { status: null, body: undefined }
  }
  const { status } = response
  return { status, body: await readJson(response).catch(() => undefined) }
}

/** @throws what ended the connection; SyntaxError */
async function readJson({ status, body }: OutboundResponse): Promise<unknown> {
  if (status !== 200) {
    // Its text is nobody's business. It may fail for being cut off: that is meant.
    body.on('error', () => {}).destroy()
    return undefined
  }
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body as AsyncIterable<Buffer>) {
    size += part.length
    // Leaving the loop closes the connection.
    if (size > MAX_BYTES) return undefined
    parts.push(part)
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8'))
}

function seenByList({ status, body }: Reply, model: string): Seen {
  // Gateways say 502 and 504 of a server behind them that does not answer.
  if (status === null || status === 502 || status === 504) return { state: 'unreachable' }
  if (status === 401) return { state: 'refused-key' }
  // Said also of keys that may ask and not list.
  if (status === 403) return { state: 'refused-key', doubtful: true }
  if (status === 429 || status === 503 || status === 529) return { state: 'busy' }
  const names = namesIn(body)
  return names === null || names.some((name) => isCalled(name, model))
    ? { state: 'available' }
    : { state: 'not-listed', doubtful: true }
}

/** Null where there is no list, or not all of one. */
function namesIn(body: unknown): string[] | null {
  const { data, has_more: hasMore } = Object(body) as { data?: unknown; has_more?: unknown }
  const list = Array.isArray(body) ? body : data
  if (!Array.isArray(list) || list.length === 0 || hasMore === true) return null
  return list.flatMap((entry) => {
    const { id, root, aliases } = Object(entry) as { id?: unknown; root?: unknown; aliases?: unknown }
    const names = [id, root, ...(Array.isArray(aliases) ? aliases : [])]
    return names.filter((name) => typeof name === 'string')
  })
}

/** Lists put a folder before a name (`models/…`) or a tag behind it (`…:latest`) that requests may leave out. */
function isCalled(listed: string, model: string): boolean {
  const [a, b] = [listed, model].map((name) => name.toLowerCase().replace(/:latest$/, ''))
  return a !== undefined && b !== undefined && (a === b || a.endsWith(`/${b}`))
}

function seenByHealth({ status, body }: Reply, model: string): Seen {
  if (status === 429) return { state: 'busy' }
  const { ok, models, requestsPerMinute } = Object(body) as Readonly<Record<string, unknown>>
  // Anything else that answers there is not the endpoint, or not one that is set up.
  if (status !== 200 || ok !== true) return { state: 'unreachable' }
  const isThere = !Array.isArray(models) || models.includes(model)
  const isNumber = typeof requestsPerMinute === 'number' && Number.isSafeInteger(requestsPerMinute)
  return {
    ...(isThere ? { state: 'available' } : { state: 'not-listed', doubtful: true }),
    ...(isNumber && requestsPerMinute > 0 ? { requestsPerMinute } : {}),
  }
}
