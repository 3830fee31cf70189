// MODELS: which language models this installation offers, as JSON or as the path of a JSON file.
// Keys never stand in it: `"key": "env:NAME"` names the environment variable that holds one.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { PASSAGES_MODEL } from '../../../contract/stages.ts'

const schema = z
  .array(
    z.strictObject({
      /** Shown in addresses and stored with answers: keep it when the model behind it changes. */
      id: z
        .string()
        .regex(/^[a-z0-9][a-z0-9._:/-]{0,99}$/, 'lower-case letters, digits and . _ : / - only')
        .refine((id) => id !== PASSAGES_MODEL, `"${PASSAGES_MODEL}" is built in`),
      name: z.string().min(1).max(100),
      type: z.literal('openai-compatible'),
      /** Up to and without `/chat/completions`. */
      url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }),
      model: z.string().min(1),
      key: z
        .string()
        .regex(/^env:[A-Za-z_][A-Za-z0-9_]*$/, 'must be env:NAME; the key itself does not belong here')
        .optional(),
      contextTokens: z.int().min(1_024).max(10_000_000).optional(),
      maxOutputTokens: z.int().min(16).max(1_000_000).optional(),
      /** Until the first token. A large model that is loaded first needs minutes. */
      firstTokenSeconds: z.number().positive().max(3_600).default(120),
      /** Between tokens. */
      stallSeconds: z.number().positive().max(600).default(30),
    }),
  )
  .superRefine((entries, context) => {
    const seen = new Set<string>()
    for (const [index, { id }] of entries.entries()) {
      if (seen.has(id))
        context.addIssue({ code: 'custom', path: [index, 'id'], message: `"${id}" is there twice` })
      seen.add(id)
    }
  })

export type ConfiguredModel = z.infer<typeof schema>[number]

/**
 * Parses MODELS.
 * @throws Error whose message names each wrong entry and field, and no value of a key
 */
export function parseModels(models: string | undefined): ConfiguredModel[] {
  if (models === undefined || models.trim() === '') return []
  const inline = models.trim().startsWith('[')
  const source = inline ? 'MODELS' : `MODELS (the file ${models})`
  const result = schema.safeParse(parseJson(inline ? models : readModelsFile(models), source))
  if (result.success) return result.data
  const lines = result.error.issues.map(({ path, message }) => `  ${place(path)}${message}`)
  throw new Error(`${source} is not valid:\n${lines.join('\n')}`)
}

function readModelsFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Error(
      `MODELS must be a JSON list or the path of a file with one; ${path} can not be read (${code})`,
    )
  }
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // V8's message quotes the text, which may hold what does not belong there.
    throw new Error(`${source} is not valid JSON`)
  }
}

/** `[0].url: ` of a path that zod gives. */
function place(path: readonly PropertyKey[]): string {
  if (path.length === 0) return ''
  return `${path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')}: `
}
