// For tests without a cluster: as much of a node as filling an index asks for, in memory.
import type { ScriptedAnswer, ScriptedCluster } from '../../../../test/scripted-cluster.ts'

export interface MemoryIndex {
  readonly meta: unknown
  readonly documents: Map<string, { readonly version: number; readonly source: Record<string, unknown> }>
}

export interface MemoryNode {
  readonly indexes: Map<string, MemoryIndex>
  /** Of a scripted cluster. */
  readonly script: ScriptedCluster['script']
}

const missing: ScriptedAnswer = {
  status: 404,
  body: { error: { type: 'index_not_found_exception', reason: 'no such index' } },
}
const conflict = { type: 'version_conflict_engine_exception', reason: 'newer' }

export function memoryNode(): MemoryNode {
  const indexes = new Map<string, MemoryIndex>()

  function put({ documents }: MemoryIndex, id: string, version: number, source: Record<string, unknown>) {
    if (version < (documents.get(id)?.version ?? 0)) return false
    documents.set(id, { version, source })
    return true
  }

  function bulk(index: MemoryIndex, body: string): ScriptedAnswer {
    const items: object[] = []
    const lines = body.split('\n').filter((line) => line !== '')
    for (let i = 0; i < lines.length; i += 2) {
      const { _id, version } = JSON.parse(lines[i] ?? '').index
      const taken = put(index, _id, version, JSON.parse(lines[i + 1] ?? ''))
      items.push({ index: taken ? { status: 200 } : { status: 409, error: conflict } })
    }
    return { status: 200, body: { items } }
  }

  function mappings(pattern: string): ScriptedAnswer {
    const names = [...indexes.keys()].filter((name) =>
      pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
    )
    if (names.length === 0 && !pattern.endsWith('*')) return missing
    const found = names.map((name) => [name, { mappings: { _meta: indexes.get(name)?.meta } }])
    return { status: 200, body: Object.fromEntries(found) }
  }

  const nothing = { value: 0 }
  const counted = {
    hits: { total: nothing },
    aggregations: { length: nothing, embedded: { doc_count: 0 }, languages: { buckets: [] } },
  }

  return {
    indexes,
    script({ method, path, body }) {
      const url = new URL(path, 'http://node')
      const [, name = '', what, id = ''] = decodeURIComponent(url.pathname).split('/')
      if (what === '_mapping') return mappings(name)
      if (what === undefined && method === 'PUT') {
        indexes.set(name, { meta: JSON.parse(body).mappings._meta, documents: new Map() })
        return { status: 200, body: {} }
      }
      const index = indexes.get(name)
      if (index === undefined) return missing
      if (what === undefined && method === 'DELETE') indexes.delete(name)
      if (what === '_bulk') return bulk(index, body)
      if (what === '_search') return { status: 200, body: counted }
      if (what === '_doc' && method === 'GET') {
        const source = index.documents.get(id)?.source
        return source === undefined ? missing : { status: 200, body: { _index: name, _source: source } }
      }
      if (what === '_doc' && !put(index, id, Number(url.searchParams.get('version')), JSON.parse(body)))
        return { status: 409, body: { error: conflict } }
      return { status: 200, body: {} }
    },
  }
}
