// Which models there are, in order: those of MODELS, those of a running Ollama (local mode), and always, last,
// "Most relevant passages". The first that can answer is the default: one that is known to be out of reach is passed over
// as long as another language model is not. Whom a person has chosen is asked all the same, since what is known may be
// wrong; only when a provider has retired a model, the next in line answers at once (chat/answer.ts). A retired one is
// offered again after an hour or a restart.
import type { Logger } from 'pino'
import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import { type Availability, type Look, ModelAvailability, type ModelState } from './availability.ts'
import { bedrockUrl, createBedrock } from './bedrock.ts'
import { AWS_REGION, type ConfiguredModel, ENDPOINT_MODEL, parseModels } from './configured.ts'
import { createLooks } from './looks.ts'
import { type ModelEndpoint, type PageEndpoint, readModelEndpoint } from './model-endpoint.ts'
import { createOllama, OLLAMA_CONTEXT_TOKENS, OLLAMA_ORIGIN } from './ollama.ts'
import { type ApiKey, createOpenAICompatibleModel } from './openai-compatible.ts'
import { createOutbound } from './outbound.ts'
import { PASSAGES } from './passages.ts'
import { type LanguageModel, type ModelInfo, SharedTokenTaken } from './port.ts'
import { keyOf } from './setting.ts'

/** What an answer needs to know of a model besides streaming from it. */
export interface OfferedModel {
  readonly info: ModelInfo
  /** Null for "Most relevant passages". */
  readonly language: LanguageModel | null
  readonly maxOutputTokens: number
  /** For answers that a page gets itself; null where only servers may ask. */
  readonly forPages: PageModel | null
}

export interface PageModel {
  readonly endpoint: PageEndpoint
  /** As the endpoint calls it. */
  readonly model: string
  /** @throws Error when the request has no canonical form */
  sign: ModelEndpoint['sign']
  /**
   * False when it is known to answer nobody now: it is busy, its allowance is used up, it refuses the key, or is retired. That
   * this server can't reach it says nothing of pages.
   */
  mayBeAsked(): boolean
  /** A page has brought an answer of it. */
  answered(): void
}

/** A model as people choose it. Its `available` is false when it is retired, and only then: it can't be chosen. */
export interface ListedModel extends ModelInfo {
  readonly availability: Availability
  /** The longest answer, in tokens. Null: none is written. */
  readonly maxOutputTokens: number | null
  /** How many requests its server takes from everybody together. Null: not known. */
  readonly requestsPerMinute: number | null
  /** A page may get its answers from the model endpoint itself. */
  readonly direct: boolean
}

export interface Models {
  /** Looks at those that were not looked at within 30 s, and waits 1.5 s at most for what that shows. */
  list(): Promise<{ models: ListedModel[]; defaultId: string }>
  /** @throws AppError MODEL_UNKNOWN */
  get(id: string): Promise<OfferedModel>
  /** What answers when `id` can't any more: the first after it, by the rule for the default. */
  after(id: string): Promise<OfferedModel>
  /** A provider said that it no longer offers this model. */
  retire(id: string): void
  close(): Promise<void>
}

const DEFAULT_OUTPUT_TOKENS = 1_024
/** A shared token with less left would end on its way. */
const SHARED_SECONDS = 2

interface Watched extends OfferedModel {
  readonly look: Look | null
}

export interface ModelsOptions {
  /** For tests. */
  readonly ollamaOrigin?: string
}

/** @throws Error in plain words when MODELS is not valid or a key that it names is not set */
export function createModels(config: Config, log: Logger, options: ModelsOptions = {}): Models {
  const endpoint = readModelEndpoint(config)
  const entries = withEndpoint(parseModels(config.models), endpoint)
  const ollamaOrigin = options.ollamaOrigin ?? OLLAMA_ORIGIN
  const places = entries.map((entry, index) => placeOf(entry, index, endpoint, config))
  const outbound = createOutbound([
    ...places.map(({ url }) => new URL(url).origin),
    ...(config.ollamaDiscovery ? [ollamaOrigin] : []),
  ])
  const bedrockModel = createBedrock(outbound)
  const looks = createLooks(outbound)
  const availability = new ModelAvailability(log)
  const configured = entries.flatMap((entry, index): Watched[] => {
    const place = places[index]
    if (place === undefined) return []
    const info: ModelInfo = {
      id: entry.id,
      name: entry.name,
      provider: entry.provider ?? ('region' in place ? 'Amazon Bedrock' : new URL(place.url).host),
      contextTokens: entry.contextTokens ?? null,
      price: entry.price ?? null,
      available: true,
    }
    const adapter =
      'region' in place
        ? bedrockModel({ ...entry, ...place, info })
        : createOpenAICompatibleModel(outbound, { ...entry, ...place, info })
    const language = availability.watched(adapter)
    const known = {
      mayBeAsked: () => !AWAY_FROM_ALL.has(availability.of(entry.id).state),
      answered: () => availability.tell(entry.id, null),
    }
    const forPages = entry.type === 'worker' ? pageModel(entry.model, endpoint, known) : null
    const look = lookAt(looks, place, entry.model)
    const maxOutputTokens = entry.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS
    return [{ info, language, look: forPages === null ? look : fromAfar(look), maxOutputTokens, forPages }]
  })
  const ollama = config.ollamaDiscovery ? createOllama(outbound, ollamaOrigin) : null
  const passages: Watched = { info: PASSAGES, language: null, look: null, maxOutputTokens: 0, forPages: null }
  availability.tell(PASSAGES_MODEL, null)

  async function all(): Promise<Watched[]> {
    const found = (await ollama?.models()) ?? []
    const local = found
      .filter(({ id }) => configured.every(({ info }) => info.id !== id))
      .map(({ id, model }): Watched => {
        const info: ModelInfo = {
          id,
          name: model,
          provider: 'Ollama',
          contextTokens: OLLAMA_CONTEXT_TOKENS,
          price: null,
          available: true,
        }
        const adapter = createOpenAICompatibleModel(outbound, {
          info,
          url: `${ollamaOrigin}/v1`,
          model,
          apiKey: undefined,
          firstTokenSeconds: 300,
          stallSeconds: 60,
        })
        // It is in Ollama's own list, of this moment.
        const look: Look = async () => ({ state: 'available' })
        return {
          ...{ info, language: availability.watched(adapter), look, forPages: null },
          maxOutputTokens: DEFAULT_OUTPUT_TOKENS,
        }
      })
    return [...configured, ...local, passages].map((model) =>
      availability.of(model.info.id).state === 'retired'
        ? { ...model, info: { ...model.info, available: false } }
        : model,
    )
  }

  /** When none seems to be in reach, the first of them: its failure tells more than quotes in an answer's place. */
  function firstOf(models: readonly Watched[]): OfferedModel {
    const offered = models.filter(({ info, language }) => info.available && language !== null)
    return offered.find(({ info }) => availability.isUsable(info.id)) ?? offered[0] ?? passages
  }

  return {
    async list() {
      await availability.look((await all()).map(({ info, look }) => ({ id: info.id, look })))
      const models = await all()
      const listed = models.map(
        ({ info, language, maxOutputTokens, forPages }): ListedModel => ({
          ...info,
          availability: availability.of(info.id),
          maxOutputTokens: language === null ? null : maxOutputTokens,
          requestsPerMinute: availability.requestsPerMinute(info.id),
          direct: forPages !== null,
        }),
      )
      return { models: listed, defaultId: firstOf(models).info.id }
    },
    async get(id) {
      const model = (await all()).find(({ info }) => info.id === id)
      if (model === undefined) throw new AppError('MODEL_UNKNOWN')
      return model
    },
    async after(id) {
      const models = await all()
      const from = models.findIndex(({ info }) => info.id === id) + 1
      return firstOf(models.slice(from))
    },
    retire: (id) => availability.tell(id, new AppError('MODEL_RETIRED')),
    async close() {
      availability.close()
      await outbound.close()
    },
  }
}

/** With the endpoint's own model, last, when there is an endpoint and MODELS says nothing of it. */
function withEndpoint(
  entries: readonly ConfiguredModel[],
  endpoint: ModelEndpoint | null,
): readonly ConfiguredModel[] {
  const named = entries.some(({ type, id }) => type === 'worker' || id === ENDPOINT_MODEL.id)
  return endpoint === null || named ? entries : [...entries, ENDPOINT_MODEL]
}

const AWAY_FROM_ALL: ReadonlySet<ModelState> = new Set(['busy', 'allowance-used', 'refused-key', 'retired'])

function pageModel(
  model: string,
  endpoint: ModelEndpoint | null,
  known: Pick<PageModel, 'mayBeAsked' | 'answered'>,
): PageModel | null {
  if (endpoint === null || endpoint.forPages === null) return null
  return { endpoint: endpoint.forPages, model, sign: endpoint.sign, ...known }
}

type Place =
  | { readonly url: string; readonly apiKey: ApiKey }
  /** Of Amazon Bedrock. */
  | { readonly url: string; readonly region: string }

/** Pages may reach what this server can't: then nothing is known. */
function fromAfar(look: Look | null): Look | null {
  return look === null
    ? null
    : async () => {
        const seen = await look()
        return seen.state === 'unreachable' ? { state: 'unknown', doubtful: true } : seen
      }
}

/** Of Bedrock nothing is asked beforehand: it has no question that costs nothing. An answer that fails tells. */
function lookAt(looks: ReturnType<typeof createLooks>, place: Place, model: string): Look | null {
  if ('region' in place) return null
  const { url, apiKey } = place
  return typeof apiKey === 'function'
    ? looks.byHealth(url.replace(/\/v1$/, ''), model)
    : looks.byList(url, apiKey, model)
}

/** Where a model is asked, and with what. @throws Error in plain words */
function placeOf(
  entry: ConfiguredModel,
  index: number,
  endpoint: ModelEndpoint | null,
  { awsRegion }: Pick<Config, 'awsRegion'>,
): Place {
  if (entry.type === 'openai-compatible') return { url: entry.url, apiKey: keyOf('MODELS', index, entry.key) }
  if (entry.type === 'bedrock') {
    const region = entry.region ?? awsRegion ?? ''
    if (!AWS_REGION.test(region))
      throw new Error(
        `MODELS is not valid:\n  [${index}].region: is missing, and AWS_REGION does not name one either`,
      )
    return { url: entry.url ?? bedrockUrl(region), region }
  }
  if (endpoint === null)
    throw new Error(`MODELS is not valid:\n  [${index}].type: "worker" needs LLAMMA_ENDPOINT`)
  return {
    url: `${endpoint.url}/v1`,
    apiKey: async ({ messages, maxOutputTokens, personId = 'terrace', shared }) => {
      // Of one that is over now the endpoint may have forgotten who used it.
      if (shared !== undefined && shared.expires - Date.now() / 1_000 < SHARED_SECONDS)
        throw new SharedTokenTaken(entry.id)
      const request = { model: entry.model, messages, max_tokens: maxOutputTokens }
      return await endpoint.sign({ request, personId, ...shared })
    },
  }
}
