// MODELS: which language models this installation offers, as JSON or as the path of a JSON file.
// Keys never stand in it: `"key": "env:NAME"` names the environment variable that holds one.
import { z } from 'zod'
import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import { keyName, noTwins, readSetting } from './setting.ts'

const common = {
  /** Shown in addresses and stored with answers: keep it when the model behind it changes. */
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._:/-]{0,99}$/, 'lower-case letters, digits and . _ : / - only')
    .refine((id) => id !== PASSAGES_MODEL, `"${PASSAGES_MODEL}" is built in`),
  name: z.string().min(1).max(100),
  /** As people know it. Default: the host of its address. */
  provider: z.string().min(1).max(100).optional(),
  model: z.string().min(1),
  contextTokens: z.int().min(1_024).max(10_000_000).optional(),
  maxOutputTokens: z.int().min(16).max(1_000_000).optional(),
  /** US dollars for a million tokens, as the provider bills them. Without it, answers cost nothing that is known. */
  price: z
    .strictObject({ input: z.number().min(0).max(10_000), output: z.number().min(0).max(10_000) })
    .optional(),
  /** Until the first token. A large model that is loaded first needs minutes. */
  firstTokenSeconds: z.number().positive().max(3_600).default(120),
  /** Between tokens. */
  stallSeconds: z.number().positive().max(600).default(30),
}

const openAICompatible = z.strictObject({
  type: z.literal('openai-compatible'),
  ...common,
  /** Up to and without `/chat/completions`. */
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }),
  key: keyName.optional(),
})

/** `model` is a logical name of the model endpoint (LLAMMA_ENDPOINT), which signs in with LLAMMA_SIGNING_KEY. */
const worker = z.strictObject({ type: z.literal('worker'), ...common })

/** It becomes part of a host's name. */
export const AWS_REGION = /^[a-z]{2,4}(?:-[a-z]+)+-\d+$/

/** `model`: id of a model or of an inference profile, or the ARN of one. Its key is the role of the machine. */
const bedrock = z.strictObject({
  type: z.literal('bedrock'),
  ...common,
  /** AWS_REGION where it is not named. */
  region: z.string().regex(AWS_REGION, 'must be a name like eu-central-1').optional(),
  /** Of the runtime, for another endpoint of it; up to and without `/model`. */
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).optional(),
})

const schema = z.array(z.discriminatedUnion('type', [openAICompatible, worker, bedrock])).superRefine(noTwins)

export type ConfiguredModel = z.infer<typeof schema>[number]

/**
 * Parses MODELS.
 * @throws Error whose message names each wrong entry and field, and no value of a key
 */
export function parseModels(models: string | undefined): ConfiguredModel[] {
  return readSetting('MODELS', models, schema) ?? []
}

/** What the model endpoint offers as it is deployed (worker/wrangler.jsonc), where MODELS names nothing of it. */
export const ENDPOINT_MODEL: ConfiguredModel = worker.parse({
  ...{ type: 'worker', id: 'llama-3-8b', name: 'Llama 3.1 8B', model: 'llama-3-8b' },
  provider: 'Cloudflare Workers AI',
  // Less than its models have: a longer prompt costs more and answers no better (chat/prompt.ts).
  contextTokens: 8_192,
  // Cloudflare's list price of the first model behind that name.
  price: { input: 0.045, output: 0.384 },
})
