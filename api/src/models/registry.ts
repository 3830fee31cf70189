// Which models there are, in order: those of MODELS, those of a running Ollama (local mode), and always, last,
// "Most relevant passages". The first that can answer is the default.
// When a provider has retired a model, the next in line answers; it is offered again after an hour or a restart.
import type { Logger } from 'pino'
import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import { type ConfiguredModel, ENDPOINT_MODEL, parseModels } from './configured.ts'
import { type ModelEndpoint, type PageEndpoint, readModelEndpoint } from './model-endpoint.ts'
import { createOllama, OLLAMA_CONTEXT_TOKENS, OLLAMA_ORIGIN } from './ollama.ts'
import { type ApiKey, createOpenAICompatibleModel } from './openai-compatible.ts'
import { createOutbound } from './outbound.ts'
import { PASSAGES } from './passages.ts'
import type { LanguageModel, ModelInfo } from './port.ts'
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
}

export interface ListedModel extends ModelInfo {
  /** A page may get its answers from the model endpoint itself. */
  readonly direct: boolean
}

export interface Models {
  list(): Promise<{ models: ListedModel[]; defaultId: string }>
  /** @throws AppError MODEL_UNKNOWN */
  get(id: string): Promise<OfferedModel>
  /** What answers when `id` can't any more: the next available one after it. */
  after(id: string): Promise<OfferedModel>
  /** A provider said that it no longer offers this model. */
  retire(id: string): void
  close(): Promise<void>
}

const DEFAULT_OUTPUT_TOKENS = 1_024
const RETIRED_MS = 60 * 60 * 1_000

export interface ModelsOptions {
  /** For tests. */
  readonly ollamaOrigin?: string
}

/** @throws Error in plain words when MODELS is not valid or a key that it names is not set */
export function createModels(config: Config, log: Logger, options: ModelsOptions = {}): Models {
  const endpoint = readModelEndpoint(config)
  const entries = withEndpoint(parseModels(config.models), endpoint)
  const ollamaOrigin = options.ollamaOrigin ?? OLLAMA_ORIGIN
  const places = entries.map((entry, index) => placeOf(entry, index, endpoint))
  const outbound = createOutbound([
    ...places.map(({ url }) => new URL(url).origin),
    ...(config.ollamaDiscovery ? [ollamaOrigin] : []),
  ])
  const configured = entries.flatMap((entry, index): OfferedModel[] => {
    const place = places[index]
    if (place === undefined) return []
    const info: ModelInfo = {
      id: entry.id,
      name: entry.name,
      provider: new URL(place.url).host,
      contextTokens: entry.contextTokens ?? null,
      price: entry.price ?? null,
      available: true,
    }
    const language = createOpenAICompatibleModel(outbound, { ...entry, ...place, info })
    const forPages = entry.type === 'worker' ? pageModel(entry.model, endpoint) : null
    return [{ info, language, maxOutputTokens: entry.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS, forPages }]
  })
  const ollama = config.ollamaDiscovery ? createOllama(outbound, ollamaOrigin) : null
  const retired = new Map<string, number>()
  const passages: OfferedModel = { info: PASSAGES, language: null, maxOutputTokens: 0, forPages: null }

  async function all(): Promise<OfferedModel[]> {
    const found = (await ollama?.models()) ?? []
    const local = found
      .filter(({ id }) => configured.every(({ info }) => info.id !== id))
      .map(({ id, model }): OfferedModel => {
        const info: ModelInfo = {
          id,
          name: model,
          provider: 'Ollama',
          contextTokens: OLLAMA_CONTEXT_TOKENS,
          price: null,
          available: true,
        }
        const language = createOpenAICompatibleModel(outbound, {
          info,
          url: `${ollamaOrigin}/v1`,
          model,
          apiKey: undefined,
          firstTokenSeconds: 300,
          stallSeconds: 60,
        })
        return { info, language, maxOutputTokens: DEFAULT_OUTPUT_TOKENS, forPages: null }
      })
    return [...configured, ...local, passages].map((model) => {
      const until = retired.get(model.info.id)
      if (until === undefined || until < Date.now()) return model
      return { ...model, info: { ...model.info, available: false } }
    })
  }

  return {
    async list() {
      const models = (await all()).map(({ info, forPages }) => ({ ...info, direct: forPages !== null }))
      const first = models.find(({ available }) => available)
      return { models, defaultId: first?.id ?? PASSAGES_MODEL }
    },
    async get(id) {
      const model = (await all()).find(({ info }) => info.id === id)
      if (model === undefined) throw new AppError('MODEL_UNKNOWN')
      return model
    },
    async after(id) {
      const models = await all()
      const from = models.findIndex(({ info }) => info.id === id) + 1
      return models.slice(from).find(({ info }) => info.available) ?? passages
    },
    retire(id) {
      log.warn({ model: id }, 'a model is no longer offered by its provider')
      retired.set(id, Date.now() + RETIRED_MS)
    },
    close: () => outbound.close(),
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

function pageModel(model: string, endpoint: ModelEndpoint | null): PageModel | null {
  if (endpoint === null || endpoint.forPages === null) return null
  return { endpoint: endpoint.forPages, model, sign: endpoint.sign }
}

/** Where a model is asked, and with what. @throws Error in plain words */
function placeOf(
  entry: ConfiguredModel,
  index: number,
  endpoint: ModelEndpoint | null,
): { url: string; apiKey: ApiKey } {
  if (entry.type === 'openai-compatible') return { url: entry.url, apiKey: keyOf('MODELS', index, entry.key) }
  if (endpoint === null)
    throw new Error(`MODELS is not valid:\n  [${index}].type: "worker" needs LLAMMA_ENDPOINT`)
  return {
    url: `${endpoint.url}/v1`,
    apiKey: ({ messages, maxOutputTokens, personId = 'terrace' }) =>
      endpoint.sign({
        request: { model: entry.model, messages, max_tokens: maxOutputTokens },
        personId,
      }),
  }
}
