import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { describe, expect, it } from 'vitest'
import { HANDBOOK } from '../../test/conversation.ts'
import { doors } from '../../test/doors.ts'

interface Found {
  results: { id: string; title: string; url: string; text: string }[]
}
interface Document {
  id: string
  title: string
  text: string
  url: string
  metadata: Record<string, string>
}

/** The JSON in the one content item that connectors look for. */
async function call(
  client: Client,
  name: string,
  input: Record<string, unknown>,
): Promise<{ failed: boolean; value: unknown }> {
  const result = await client.callTool({ name, arguments: input })
  const content = result.content as { type: string; text: string }[]
  expect(content).toHaveLength(1)
  expect(content[0]?.type).toBe('text')
  return { failed: result.isError === true, value: JSON.parse(content[0]?.text ?? '') }
}

const search = async (client: Client, query: string) =>
  ((await call(client, 'search', { query })).value as Found).results
const read = async (client: Client, id: string) => (await call(client, 'fetch', { id })).value as Document

const NOT_FOUND = { failed: true, value: { code: 'NOT_FOUND', message: expect.stringMatching(/\S/) } }

describe('the MCP client', () => {
  it('finds documents, each once, and reads them whole', async () => {
    await using world = await doors()
    const client = await world.mcp(await world.key(world.owner))
    expect(client.getServerVersion()).toMatchObject({ name: 'terrace' })
    const { tools } = await client.listTools()
    expect(
      tools.map(({ name, inputSchema, annotations }) => [
        name,
        inputSchema.required,
        annotations?.readOnlyHint,
      ]),
    ).toEqual([
      ['search', ['query'], true],
      ['fetch', ['id'], true],
    ])
    const results = await search(client, 'hold a package at its present version')
    expect(results.map(({ title }) => title)).toEqual(['handbook.txt', 'faq.txt'])
    const { documentId, versionId } = world.documents['handbook.txt'] ?? {}
    expect(results[0]).toMatchObject({ id: documentId, title: 'handbook.txt' })
    expect(results[0]?.text).toMatch(/^To hold a package at its present version/)
    expect(results[0]?.url).toBe(
      `https://terrace.example.org/documents/${documentId}?version=${versionId}&reading=1&page=1&start=0&end=${HANDBOOK['handbook.txt'][0]?.length}`,
    )
    const document = await read(client, documentId ?? '')
    const { rows } = await world.db.pool.query<{ text: string }>(
      'SELECT text FROM pages WHERE version_id = $1',
      [versionId],
    )
    expect(document).toEqual({
      id: documentId,
      title: 'handbook.txt',
      text: rows[0]?.text,
      url: `https://terrace.example.org/documents/${documentId}`,
      metadata: { collection: 'Handbook', mediaType: 'text/plain', version: versionId, pages: '1' },
    })
  })

  it('is told that only words were searched while the search engine is away, also where nothing was found', async () => {
    await using world = await doors({ away: true })
    const client = await world.mcp(await world.key(world.owner))
    for (const [query, found] of [
      ['hold a package at its present version', true],
      ['unheard of', false],
    ] as const) {
      const { value } = await call(client, 'search', { query })
      expect(value).toMatchObject({
        words_only: 'engine-away',
        note: expect.stringMatching(/found by words only/),
      })
      expect((value as Found).results.length > 0).toBe(found)
    }
    await using whole = await doors()
    const { value } = await call(await whole.mcp(await whole.key(whole.owner)), 'search', {
      query: 'package',
    })
    expect(Object.keys(value as Found)).toEqual(['results'])
  })

  it('reads a long document in parts that make the whole', async () => {
    await using world = await doors()
    const pages = Array.from(
      { length: 130 },
      (_, i) => `Page ${i + 1}. ${'words 🌿 '.repeat(i === 60 ? 60_000 : 300)}`,
    )
    await world.collection(world.owner, 'Long', { 'long.txt': ['x'] })
    const { documentId = '', versionId = '' } = world.documents['long.txt'] ?? {}
    await world.db.pool.query('DELETE FROM pages WHERE version_id = $1', [versionId])
    for (const [i, text] of pages.entries())
      await world.db.pool.query('INSERT INTO pages (version_id, number, text) VALUES ($1, $2, $3)', [
        versionId,
        i + 1,
        text,
      ])
    const client = await world.mcp(await world.key(world.owner))
    const parts: string[] = []
    let id: string | undefined = documentId
    while (id !== undefined) {
      const part: Document = await read(client, id)
      expect(part.text.length).toBeLessThan(250_000)
      expect(part.text.isWellFormed()).toBe(true)
      parts.push(part.text)
      id = part.metadata.next
    }
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.join('').replaceAll('\n\n', '')).toBe(pages.join(''))
    const place = (page: number, version = versionId, reading = 1) =>
      `${documentId}:${version}:${reading}:${page}:0`
    for (const past of [place(131), place(0)])
      expect(await call(client, 'fetch', { id: past })).toEqual(NOT_FOUND)
    // Its next part is of that text and of no other.
    expect(await call(client, 'fetch', { id: place(100) })).toMatchObject({ failed: false })
    for (const other of [place(100, crypto.randomUUID()), place(100, versionId, 2)])
      expect(await call(client, 'fetch', { id: other })).toMatchObject({
        ...{ failed: true, value: { code: 'CONFLICT' } },
      })
  })

  it('gets nothing of what its person may not see now, and does not learn that it is there', async () => {
    await using world = await doors()
    const reader = await world.server.person()
    const { documentId = '' } = world.documents['handbook.txt'] ?? {}
    const client = await world.mcp(await world.key(reader))
    const query = 'hold a package at its present version'
    expect(await search(client, query)).toEqual([])
    expect(await call(client, 'fetch', { id: documentId })).toEqual(NOT_FOUND)
    for (const id of [crypto.randomUUID(), 'none', `${documentId}:1`, `${documentId}' OR '1'='1`])
      expect(await call(client, 'fetch', { id })).toEqual(NOT_FOUND)
    const shared = { id: world.handbook, userId: reader.viewer.userId }
    await world.owner.api.collections.setMember.mutate({ ...shared, role: 'viewer' })
    expect(await search(client, query)).toHaveLength(2)
    expect((await read(client, documentId)).title).toBe('handbook.txt')
    await world.owner.api.collections.removeMember.mutate(shared)
    expect(await search(client, query)).toEqual([])
    expect(await call(client, 'fetch', { id: documentId })).toEqual(NOT_FOUND)
    // A key that is limited elsewhere, of a person who may.
    const other = await world.collection(world.owner, 'Other', { 'other.txt': ['Another package.'] })
    const limited = await world.mcp(await world.key(world.owner, { collectionIds: [other] }))
    expect((await search(limited, query)).map(({ title }) => title)).toEqual(['other.txt'])
    expect(await call(limited, 'fetch', { id: documentId })).toEqual(NOT_FOUND)
    // Deleted, or only replaced: never the old text.
    const owner = await world.mcp(await world.key(world.owner))
    await world.db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [documentId])
    expect(await call(owner, 'fetch', { id: documentId })).toEqual(NOT_FOUND)
    expect((await search(owner, query)).map(({ title }) => title)).not.toContain('handbook.txt')
  })

  it('a revoked key does not get in any more', async () => {
    await using world = await doors()
    const client = await world.mcp(await world.key(world.owner))
    const [key] = await world.owner.api.keys.list.query()
    await world.owner.api.keys.revoke.mutate({ id: key?.id ?? '' })
    await expect(client.listTools()).rejects.toMatchObject({ code: 401 })
    await expect(world.mcp('terrace_no')).rejects.toMatchObject({ code: 401 })
  })

  it('wrong inputs are told to the model, not thrown at the server', async () => {
    await using world = await doors()
    const client = await world.mcp(await world.key(world.owner))
    for (const [name, input] of [
      ['search', {}],
      ['search', { query: 7 }],
      ['search', { query: '  ' }],
      ['search', { query: 'x'.repeat(9_000) }],
      ['fetch', { id: ['a'] }],
      ['delete', {}],
    ] as const) {
      const result = await client.callTool({ name, arguments: input })
      expect(result.isError).toBe(true)
    }
    expect((await search(client, 'a package')).length).toBeGreaterThan(0)
  })
})

describe('the endpoint', () => {
  const ACCEPT = { accept: 'application/json, text/event-stream' }
  const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

  it('has no stream to listen to and no session to end', async () => {
    await using world = await doors()
    const headers = { authorization: `Bearer ${await world.key(world.owner)}`, accept: 'text/event-stream' }
    for (const method of ['GET', 'DELETE']) {
      const response = await fetch(`${world.server.url}/mcp`, { method, headers })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    }
    const initialized = await world.post(
      '/mcp',
      headers.authorization.slice(7),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      ACCEPT,
    )
    expect([initialized.status, await initialized.text()]).toEqual([202, ''])
    expect(initialized.headers.get('mcp-session-id')).toBeNull()
  })

  it('answers what is not right in JSON-RPC', async () => {
    await using world = await doors()
    const key = await world.key(world.owner)
    const seen: unknown[] = []
    for (const [body, headers] of [
      ['{"jsonrpc": ', ACCEPT],
      [{ hello: 'world' }, ACCEPT],
      [[], ACCEPT],
      [[LIST, { ...LIST, id: 2 }], ACCEPT],
      [{ ...LIST, method: 'nothing/here' }, ACCEPT],
      [{ ...LIST, params: { x: 'x'.repeat(5_000_000) } }, ACCEPT],
      [LIST, { accept: 'application/json' }],
      [LIST, { ...ACCEPT, 'mcp-protocol-version': '1999-01-01' }],
    ] as const) {
      const response = await world.post('/mcp', key, body, headers)
      const text = await response.text()
      const { jsonrpc, error } = JSON.parse(text || '{}') as {
        jsonrpc?: string
        error?: { code: number; message: string }
      }
      expect(text).not.toMatch(/node_modules|ZodError/)
      seen.push([response.status, jsonrpc, error?.code])
    }
    expect(seen).toEqual([
      [400, '2.0', -32700],
      [400, '2.0', -32700],
      [400, '2.0', -32600],
      [400, '2.0', -32600],
      [200, '2.0', -32601],
      [413, '2.0', -32000],
      [406, '2.0', -32000],
      [400, '2.0', -32000],
    ])
    expect((await world.post('/mcp', key, LIST, ACCEPT)).status).toBe(200)
    expect((await world.post('/mcp', null, LIST, ACCEPT)).status).toBe(401)
  })
})
