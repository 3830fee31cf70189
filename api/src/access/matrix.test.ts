// The authorisation matrix: every procedure × who calls × whose resource, over HTTP against the real server.
// Expected is what the procedure's `.meta({ access })` says; a procedure without meta or without a row fails.
import { randomUUID } from 'node:crypto'
import type { AnyTRPCRouter } from '@trpc/server'
import superjson from 'superjson'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { API_PATHS } from '../../../contract/ports.ts'
import { COLLECTION_ROLES, type CollectionRole } from '../../../contract/stages.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import { appRouter } from '../routers/router.ts'
import { type Access, anyone, assertEveryProcedureHasAccess, type Meta, router } from '../routers/trpc.ts'
import { type Ids, ROWS, SCOPES } from './matrix.rows.ts'

const WHO = ['anonymous', 'stranger', 'viewer', 'editor', 'owner', 'installation owner'] as const
type Who = (typeof WHO)[number]
const WHOSE = ['own', 'foreign', 'missing'] as const
type Whose = (typeof WHOSE)[number]

type Refusal = 'SIGN_IN_REQUIRED' | 'FORBIDDEN' | 'NOT_FOUND'

/** Null when the call has to get past the access check. */
function expected(access: Access, who: Who, whose: Whose): Refusal | null {
  if (access === 'anyone') return null
  if (who === 'anonymous') return 'SIGN_IN_REQUIRED'
  if (access === 'signed-in') return null
  if (access === 'installation-owner') return who === 'installation owner' ? null : 'FORBIDDEN'
  if (whose !== 'own') return 'NOT_FOUND'
  // A chat is made for each caller: own is theirs, whoever they are.
  if ('chat' in access) return null
  const role = COLLECTION_ROLES.find((r) => r === who)
  if (role === undefined) return 'NOT_FOUND'
  const wanted: CollectionRole = 'collection' in access ? access.collection : access.document
  return COLLECTION_ROLES.indexOf(role) >= COLLECTION_ROLES.indexOf(wanted) ? null : 'FORBIDDEN'
}

interface Procedure {
  readonly path: string
  readonly type: 'query' | 'mutation' | 'subscription'
  readonly meta: Meta | undefined
}

/** A router whose procedures can be looked at whatever they are. */
const ROUTER: AnyTRPCRouter = appRouter
const FOUND: Readonly<Record<string, { _def: { type: Procedure['type']; meta?: unknown } }>> =
  ROUTER._def.procedures
const PROCEDURES: Procedure[] = Object.entries(FOUND).map(([path, { _def }]) => ({
  path,
  type: _def.type,
  meta: _def.meta as Meta | undefined,
}))

test('every procedure says who may call it, and has a row; no row is left over', () => {
  expect(PROCEDURES.filter(({ meta }) => meta === undefined)).toEqual([])
  expect(Object.keys(ROWS).sort()).toEqual(PROCEDURES.map(({ path }) => path).sort())
})

test('a procedure without a rule stops the server from starting, and answers nobody', async () => {
  const bare = router({ open: anyone.query(() => 'secret') })
  expect(() => assertEveryProcedureHasAccess(bare)).toThrow(/open has no .meta/)
  await expect(bare.createCaller({} as never).open()).rejects.toThrow(/no access/)
})

describe('the matrix', () => {
  let db: TestDatabase
  let server: TestServer
  let people: Record<Who, Person | null>
  let somebody: Person
  beforeAll(async () => {
    db = await testDatabase()
    server = await testServer(db, { whole: true })
    await db.pool.query("INSERT INTO organizations (id, name, slug) VALUES ('installation', 'T', 't')")
    await db.pool.query("INSERT INTO settings (key, value) VALUES ('owner', '{}')")
    somebody = await server.person({ role: 'owner' })
    people = {
      anonymous: null,
      stranger: await server.person(),
      viewer: await server.person(),
      editor: await server.person(),
      owner: await server.person(),
      'installation owner': await server.person({ role: 'owner' }),
    }
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await db[Symbol.asyncDispose]()
  })

  async function one(sql: string, values: unknown[]): Promise<string> {
    const { rows } = await db.pool.query<{ id: string }>(`${sql} RETURNING id`, values)
    return rows[0]?.id ?? ''
  }

  /** A fresh resource for one call, since calls change and delete what they are given. */
  async function make(who: Who, whose: Whose): Promise<Ids> {
    const uuid = randomUUID()
    const userId = (await server.person()).viewer.userId
    const invitationId = await one(
      `INSERT INTO invitations (id, organization_id, email, role, expires_at, inviter_id)
       VALUES ($1, 'installation', $2, 'member', now() + interval '1 day', $3)`,
      [uuid, `${uuid}@example.org`, somebody.viewer.userId],
    )
    const common = { uuid, userId, invitationId }
    const missing = () => randomUUID()
    if (whose === 'missing')
      return {
        ...common,
        ...{ collectionId: missing(), documentId: missing(), versionId: missing() },
        ...{ chatId: missing(), answerId: missing(), attemptId: missing() },
      }
    const collectionId = await one("INSERT INTO collections (name) VALUES ('C')", [])
    const member = (id: string, role: string) =>
      db.pool.query('INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, $3)', [
        collectionId,
        id,
        role,
      ])
    await member(somebody.viewer.userId, 'owner')
    await member(userId, 'viewer')
    if (whose === 'own')
      for (const role of COLLECTION_ROLES) {
        const person = people[role]
        if (person !== null) await member(person.viewer.userId, role)
      }
    const documentId = await one("INSERT INTO documents (collection_id, name) VALUES ($1, 'd.txt')", [
      collectionId,
    ])
    const versionId = await one(
      `INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, stage)
       VALUES ($1, 1, 'd.txt', 'text/plain', 3, 'x', 'none', 'searchable')`,
      [documentId],
    )
    await db.pool.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [documentId, versionId])
    await db.pool.query("INSERT INTO pages (version_id, number, text) VALUES ($1, 1, 'abc')", [versionId])
    const caller = whose === 'own' ? people[who] : somebody
    const chatId = await one('INSERT INTO chats (user_id, model) VALUES ($1, $2)', [
      (caller ?? somebody).viewer.userId,
      'passages',
    ])
    await db.pool.query('INSERT INTO chat_collections (chat_id, collection_id) VALUES ($1, $2)', [
      chatId,
      collectionId,
    ])
    await one("INSERT INTO messages (chat_id, position, role, text) VALUES ($1, 1, 'question', 'Q?')", [
      chatId,
    ])
    const answerId = await one("INSERT INTO messages (chat_id, position, role) VALUES ($1, 2, 'answer')", [
      chatId,
    ])
    const attemptId = await one(
      "INSERT INTO attempts (message_id, number, state, model, ended_at) VALUES ($1, 1, 'stopped', 'passages', now())",
      [answerId],
    )
    return { ...common, collectionId, documentId, versionId, chatId, answerId, attemptId }
  }

  let calls = 0

  /** @returns the code of the refusal, or null */
  async function call(
    person: Person | null,
    { path, type }: Procedure,
    input: unknown,
  ): Promise<string | null> {
    const client = person ?? server.anonymous
    const encoded = input === undefined ? undefined : JSON.stringify(superjson.serialize(input))
    const url = `${API_PATHS.trpc}/${path}`
    const query = encoded === undefined ? '' : `?input=${encodeURIComponent(encoded)}`
    if (type === 'subscription') return firstRefusal(client, url + query)
    // Each call comes from a client of its own, since tries at links are counted by address.
    const headers = {
      'content-type': 'application/json',
      'x-forwarded-for': `2001:db8:${(++calls).toString(16)}::1`,
    }
    const response = await client.fetch(
      type === 'query' ? url + query : url,
      type === 'query' ? { headers } : { method: 'POST', headers, body: encoded ?? '{}' },
    )
    const body = (await response.json()) as { error?: { json: { data: { code: string } } } }
    return body.error?.json.data.code ?? null
  }

  async function firstRefusal(client: Pick<Person, 'fetch'>, url: string): Promise<string | null> {
    const abort = new AbortController()
    const response = await client.fetch(url, {
      signal: abort.signal,
      headers: { accept: 'text/event-stream' },
    })
    let text = ''
    try {
      // A permitted stream may stay silent: then nothing was refused.
      const silence = setTimeout(() => abort.abort(), 1_500)
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString()
        const failed = /event: serialized-error\ndata: (.*)\n/.exec(text)?.[1]
        if (failed !== undefined)
          return (JSON.parse(failed) as { json: { data: { code: string } } }).json.data.code
        if (/^(data: \{|event: return)/m.test(text.replace(/^event: connected\ndata: .*$/m, ''))) break
      }
      clearTimeout(silence)
    } catch (error) {
      if (!abort.signal.aborted) throw error
    } finally {
      abort.abort()
    }
    return null
  }

  const REFUSALS = new Set<string | null>(['SIGN_IN_REQUIRED', 'FORBIDDEN', 'TOO_MANY_REQUESTS'])

  test.for(PROCEDURES)('$path', async (procedure) => {
    const { meta, path } = procedure
    const row = ROWS[path]
    if (meta === undefined || row === undefined) throw new Error(`${path} has no meta or no row`)
    const seen: string[] = []
    const wanted: string[] = []
    for (const who of WHO)
      for (const whose of WHOSE) {
        const ids = await make(who, whose)
        const code = await call(people[who], procedure, row(ids))
        const refusal = expected(meta.access, who, whose)
        const aboutResource = typeof meta.access === 'object'
        // Past the check other things may fail (nothing to retry, …), but neither these codes nor ours.
        const passed = !REFUSALS.has(code) && !(aboutResource && code === 'NOT_FOUND') && code !== 'INTERNAL'
        seen.push(`${who}, ${whose}: ${refusal === null && passed ? 'allowed' : (code ?? 'allowed')}`)
        wanted.push(`${who}, ${whose}: ${refusal ?? 'allowed'}`)
        await restore(who)
      }
    expect(seen).toEqual(wanted)
  })

  /** What calls change about the callers themselves is put back. */
  async function restore(who: Who): Promise<void> {
    const person = people[who]
    if (person === null) return
    await db.pool.query('UPDATE users SET name = $2, role = $3 WHERE id = $1', [
      person.viewer.userId,
      person.viewer.name,
      person.viewer.role,
    ])
    server.services.sessions.drop(person.viewer.userId)
  }

  // What a procedure may be given to look into is as guarded as what it acts on.
  test.for(SCOPES)('the scope of %s', async ([path, input]) => {
    const procedure = PROCEDURES.find((p) => p.path === path)
    if (procedure === undefined) throw new Error(`there is no ${path}`)
    const seen: string[] = []
    const wanted: string[] = []
    for (const who of WHO)
      for (const whose of WHOSE) {
        const { chatId } = await make(who, 'own')
        const code = await call(people[who], procedure, input({ ...(await make(who, whose)), chatId }))
        seen.push(`${who}, ${whose}: ${code ?? 'allowed'}`)
        wanted.push(`${who}, ${whose}: ${expected({ collection: 'viewer' }, who, whose) ?? 'allowed'}`)
      }
    expect(seen).toEqual(wanted)
  })

  const FILES: [string, Access, (ids: Ids) => [string, RequestInit]][] = [
    [
      'PUT /files',
      { collection: 'editor' },
      ({ collectionId }) => [`/files?collection=${collectionId}&name=n.txt`, { method: 'PUT', body: 'text' }],
    ],
    [
      'PUT /files, a new version',
      { collection: 'editor' },
      ({ collectionId, documentId, uuid }) => [
        `/files?collection=${collectionId}&document=${documentId}&name=n.txt`,
        { method: 'PUT', body: uuid },
      ],
    ],
    ['GET /files/VERSION', { document: 'viewer' }, ({ versionId }) => [`/files/${versionId}`, {}]],
  ]
  test.for(FILES)('%s', async ([, access, request]) => {
    const seen: string[] = []
    const wanted: string[] = []
    for (const who of WHO)
      for (const whose of WHOSE) {
        const [path, init] = request(await make(who, whose))
        const response = await (people[who] ?? server.anonymous).fetch(path, init)
        const text = await response.text()
        const code = response.ok ? null : (JSON.parse(text) as { code: string }).code
        const refusal = expected(access, who, whose)
        // The blob of the test's rows does not exist: its absence is told after the check only.
        const passed = refusal === null && code === 'FILE_ORIGINAL_MISSING'
        seen.push(`${who}, ${whose}: ${passed ? 'allowed' : (code ?? 'allowed')}`)
        wanted.push(`${who}, ${whose}: ${refusal ?? 'allowed'}`)
      }
    expect(seen).toEqual(wanted)
  })
})
