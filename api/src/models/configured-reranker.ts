// RERANKER: the model that orders what a search found once more, as JSON or as the path of a JSON file. There is none
// unless it is named: every question, with the passages found for it, goes there.
import { z } from 'zod'
import { keyName, readSetting } from './setting.ts'

const schema = z.strictObject({
  type: z.literal('workers-ai'),
  /** Of the Cloudflare account. */
  account: z.string().regex(/^[0-9a-f]{32}$/, "must be the account's id, 32 hexadecimal digits"),
  model: z
    .string()
    .regex(/^@[a-z]+\/[\w.-]+\/[\w.-]+$/i, 'must be a name like @cf/baai/bge-reranker-base')
    .default('@cf/baai/bge-reranker-base'),
  key: keyName,
  /** Up to and without `/accounts`: for a gateway before it. */
  url: z
    .url({ protocol: /^https?$/, error: 'must be an http or https address' })
    .default('https://api.cloudflare.com/client/v4'),
  /** Of what was found, the best so many are ordered. */
  candidates: z.int().min(20).max(50).default(30),
  /** When it is over, the order stays as it is. */
  timeoutSeconds: z.number().positive().max(10).default(1.5),
})

export type ConfiguredReranker = z.infer<typeof schema>

/**
 * Parses RERANKER. Null without it.
 * @throws Error whose message names each wrong field, and no value of a key
 */
export function parseReranker(reranker: string | undefined): ConfiguredReranker | null {
  return readSetting('RERANKER', reranker, schema) ?? null
}
