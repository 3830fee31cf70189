// Settings that are lists or records: JSON in a variable, or the path of a JSON file. Keys never stand in them:
// `"key": "env:NAME"` names the environment variable that holds one.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { readNamedSecret } from '../config.ts'

export const keyName = z
  .string()
  .regex(/^env:[A-Za-z_][A-Za-z0-9_]*$/, 'must be env:NAME; the key itself does not belong here')

/** A refinement: no two entries have one id. */
export function noTwins(entries: readonly { readonly id: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>()
  for (const [index, { id }] of entries.entries()) {
    if (seen.has(id))
      context.addIssue({ code: 'custom', path: [index, 'id'], message: `"${id}" is there twice` })
    seen.add(id)
  }
}

/**
 * @returns undefined when it is not set
 * @throws Error whose message names each wrong entry and field, and no value of a key
 */
export function readSetting<T>(name: string, value: string | undefined, schema: z.ZodType<T>): T | undefined {
  if (value === undefined || value.trim() === '') return undefined
  const inline = /^\s*[[{]/.test(value)
  const source = inline ? name : `${name} (the file ${value})`
  const result = schema.safeParse(parseJson(inline ? value : readFile(name, value), source))
  if (result.success) return result.data
  const lines = result.error.issues.map(({ path, message }) => `  ${place(path)}${message}`)
  throw new Error(`${source} is not valid:\n${lines.join('\n')}`)
}

/** The key that an entry names; `index` is null where there are no entries. @throws Error when its variable is not set */
export function keyOf(setting: string, index: number | null, key: string): string
export function keyOf(setting: string, index: number | null, key: string | undefined): string | undefined
export function keyOf(setting: string, index: number | null, key: string | undefined): string | undefined {
  if (key === undefined) return undefined
  const name = key.slice('env:'.length)
  const value = readNamedSecret(name)
  if (value === undefined) {
    const field = index === null ? 'key' : `[${index}].key`
    throw new Error(`${setting} is not valid:\n  ${field}: ${name} is not set`)
  }
  return value
}

function readFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Error(`${name} must be JSON or the path of a file with it; ${path} can not be read (${code})`)
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
  const parts = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
  return `${parts.join('').replace(/^\./, '')}: `
}
