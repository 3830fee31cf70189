// Language models of Amazon Bedrock, asked by its ConverseStream. Who asks is the role of the machine (aws-credentials.ts):
// no key is configured. The ai SDK's provider makes and signs the request and reads what is unusual; text takes the
// short way (bedrock-frames.ts).
import { asPrompt, readParts, streamAnswer } from './answer-stream.ts'
import { createModelCredentials, type ModelCredentialSource } from './aws-credentials.ts'
import { asBedrockError, isExpired } from './bedrock-error.ts'
import { createFrameTap } from './bedrock-frames.ts'
import type { Lane } from './fast-lane.ts'
import type { Outbound } from './outbound.ts'
import type { ChatMessage, LanguageModel, ModelInfo } from './port.ts'
import { type Tap, tappedFetch } from './tapped-fetch.ts'

export interface BedrockOptions {
  readonly info: ModelInfo
  /** Id of a model or of an inference profile, or the ARN of one. */
  readonly model: string
  /** That requests are signed for. */
  readonly region: string
  /** The runtime's, up to and without `/model`. */
  readonly url: string
  /** Seconds until the first token. */
  readonly firstTokenSeconds: number
  /** Seconds between tokens. */
  readonly stallSeconds: number
}

/** Where the runtime of a region is asked, over HTTPS. */
export function bedrockUrl(region: string): string {
  const domain = region.startsWith('cn-')
    ? 'amazonaws.com.cn'
    : region.startsWith('eusc-')
      ? 'amazonaws.eu'
      : 'amazonaws.com'
  return `https://bedrock-runtime.${region}.${domain}`
}

export type CreateBedrockModel = (options: BedrockOptions) => LanguageModel

/** For all models of one process. The provider (0.25 s of CPU) and the credentials' chain are loaded with the first. */
export function createBedrock(
  outbound: Outbound,
  credentialSource: () => ModelCredentialSource = createModelCredentials,
): CreateBedrockModel {
  let service: Service | undefined
  return (options) => {
    service ??= { outbound, credentials: credentialSource(), provider: loadProvider() }
    return createModel(service, options)
  }
}

interface Service {
  readonly outbound: Outbound
  readonly credentials: ModelCredentialSource
  readonly provider: ReturnType<typeof loadProvider>
}

function loadProvider() {
  const provider = import('@ai-sdk/amazon-bedrock')
  // Said by the request that waits for it.
  provider.catch(() => {})
  return provider
}

function createModel(service: Service, options: BedrockOptions): LanguageModel {
  const { id } = options.info
  return {
    info: options.info,
    stream: (messages, call) =>
      streamAnswer({ ...options, ...call, id }, (lane, signal) => {
        const request = { messages, maxOutputTokens: call.maxOutputTokens, signal }
        return readParts(id, lane, (tapped) => open(service, options, request, tapped))
      }),
  }
}

interface Request {
  readonly messages: readonly ChatMessage[]
  readonly maxOutputTokens: number
  readonly signal: AbortSignal
}

/** Makes the request, once more with new credentials when those that were kept turn out to have expired. */
async function open(service: Service, options: BedrockOptions, request: Request, lane: Lane) {
  const { createAmazonBedrock } = await service.provider
  const { id } = options.info
  for (let anew = false; ; anew = true) {
    const credentials = await service.credentials.current(id, anew)
    const provider = createAmazonBedrock({
      baseURL: options.url,
      region: options.region,
      // Empty: without it the provider would take AWS_BEARER_TOKEN_BEDROCK for a key, which nobody configured here.
      apiKey: '',
      credentialProvider: async () => credentials,
      // Whatever its content type: what is no frame is noticed at its first bytes.
      fetch: tappedFetch(service.outbound, () => typed(createFrameTap(lane), id)),
    })
    try {
      const { stream } = await provider(options.model).doStream({
        prompt: asPrompt(request.messages),
        maxOutputTokens: request.maxOutputTokens,
        abortSignal: request.signal,
      })
      return stream
    } catch (error) {
      if (anew || !isExpired(error)) throw asBedrockError(error, id)
    }
  }
}

function typed(tap: Tap, id: string): Tap {
  return (bytes, forward) => {
    try {
      tap(bytes, forward)
    } catch (error) {
      throw asBedrockError(error, id)
    }
  }
}
