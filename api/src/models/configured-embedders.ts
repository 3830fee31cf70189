// EMBEDDERS: which search models this installation can use, as JSON or as the path of a JSON file. The first one is
// what a new installation begins with; later ones are built and switched to by an owner (generations/).
import { z } from 'zod'
import { EMBEDDER_WEIGHTS } from '../../../contract/weights.ts'
import { keyName, noTwins, readSetting } from './setting.ts'

const id = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'lower-case letters, digits and . _ - only')

const local = z.strictObject({
  id,
  type: z.literal('local'),
  name: z.string().min(1).max(100).default(EMBEDDER_WEIGHTS.model),
})

const endpoint = z.strictObject({
  id,
  type: z.literal('openai-compatible'),
  name: z.string().min(1).max(100),
  /** Up to and without `/embeddings`. */
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }),
  model: z.string().min(1),
  dimensions: z.int().min(2).max(8_192),
  key: keyName.optional(),
  /** To be changed when the model behind the name has changed: then it counts as another one. */
  revision: z.string().max(100).default(''),
  queryPrefix: z.string().max(1_000).default(''),
  passagePrefix: z.string().max(1_000).default(''),
  /** Texts of one request. */
  batch: z.int().min(1).max(1_000).default(32),
  /** Requests of one process at a time. */
  parallel: z.int().min(1).max(64).default(4),
  timeoutSeconds: z.number().positive().max(600).default(60),
  /** For a question: when it is over, the search goes by words. */
  queryTimeoutSeconds: z.number().positive().max(60).default(5),
})

const schema = z
  .array(z.discriminatedUnion('type', [local, endpoint]))
  .min(1, 'name at least one; leave EMBEDDERS out for the local one')
  .superRefine(noTwins)
  .superRefine((entries, context) => {
    const models = new Set<string>()
    for (const [index, entry] of entries.entries()) {
      const { type, model, dimensions, revision, queryPrefix, passagePrefix } = {
        model: '',
        ...entry,
      } as Partial<z.infer<typeof endpoint>> & { type: string }
      const same = JSON.stringify([type, model, dimensions, revision, queryPrefix, passagePrefix])
      if (models.has(same))
        context.addIssue({
          code: 'custom',
          path: [index],
          message: 'is the same model as another entry; give it another `revision`',
        })
      models.add(same)
    }
  })

export type ConfiguredEmbedder = z.infer<typeof schema>[number]

const DEFAULT: readonly ConfiguredEmbedder[] = [{ id: 'local', type: 'local', name: EMBEDDER_WEIGHTS.model }]

/**
 * Parses EMBEDDERS. Without it: the local one.
 * @throws Error whose message names each wrong entry and field, and no value of a key
 */
export function parseEmbedders(embedders: string | undefined): readonly ConfiguredEmbedder[] {
  return readSetting('EMBEDDERS', embedders, schema) ?? DEFAULT
}
