// What travels between pages and the API: JSON with a list of the places where JSON says too little, as superjson
// writes it on the other side. Pages meet dates and absent values only, and superjson whole is a fortieth of all
// script that a page may have; the test holds this against the real one.

export interface Wire {
  json: unknown
  meta?: { values?: Tree | undefined; v?: number | undefined } | undefined
}
/** A kind for this place and the tree below it, or only the tree: `['Date']`, `{ 'a.b': ['Date'] }`. */
type Tree = readonly [kind: unknown, below?: Branches] | Branches
interface Branches {
  readonly [path: string]: Tree
}

const isBranches = (tree: Tree): tree is Branches => !Array.isArray(tree)

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** `a.b` are two steps, `a\.b` is one; a backslash is doubled. */
function steps(path: string): string[] {
  const found = ['']
  for (const [part] of path.matchAll(/\\.|[^\\.]+|\./g)) {
    if (part === '.') found.push('')
    else found.push((found.pop() ?? '') + part.replace(/^\\/, ''))
  }
  return found
}

const escapeStep = (step: string): string => step.replace(/[\\.]/g, '\\$&')

function revive(value: unknown, tree: Tree): unknown {
  const [kind, below] = isBranches(tree) ? [undefined, tree] : tree
  for (const [path, subtree] of Object.entries(below ?? {})) {
    const way = steps(path)
    const last = way.pop() ?? ''
    let place = value
    for (const step of way) place = isObject(place) ? place[step] : undefined
    if (isObject(place)) place[last] = revive(place[last], subtree)
  }
  if (kind === undefined) return value
  if (kind === 'undefined') return undefined
  if (kind === 'Date' && typeof value === 'string') return new Date(value)
  throw new TypeError(`the API sent a kind of value that pages do not know: ${String(kind)}`)
}

const kindOf = (value: unknown): string | null => {
  if (value === undefined) return 'undefined'
  return value instanceof Date ? 'Date' : null
}

/** Inputs of procedures are plain: no classes, maps or cycles. */
function annotate(value: unknown, path: readonly string[], found: Record<string, [string]>): unknown {
  const kind = kindOf(value)
  if (kind !== null && path.length > 0) found[path.map(escapeStep).join('.')] = [kind]
  if (value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map((each, index) => annotate(each, [...path, String(index)], found))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, annotate(each, [...path, key], found)]),
  )
}

export const wire = {
  serialize(value: unknown): Wire {
    const found: Record<string, [string]> = {}
    const json = annotate(value, [], found)
    const kind = kindOf(value)
    if (kind !== null) return { json, meta: { values: [kind], v: 1 } }
    return Object.keys(found).length === 0 ? { json } : { json, meta: { values: found, v: 1 } }
  },
  deserialize({ json, meta }: Wire): unknown {
    return meta?.values === undefined ? json : revive(json, meta.values)
  },
}
