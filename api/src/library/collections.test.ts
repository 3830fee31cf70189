import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLibrary, testLibrary, upload } from '../../test/library.ts'
import type { Person } from '../../test/server.ts'

let library: TestLibrary
let owner: Person
let other: Person

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person({ name: 'Owner' })
  other = await library.server.person({ name: 'Other', role: 'owner' })
})
afterAll(() => library[Symbol.asyncDispose]())

/** Each of them is refused with this code. */
async function refused(code: string, calls: Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(calls))
    expect(result).toMatchObject({ status: 'rejected', reason: { data: { code } } })
}

const failure = (code: string) => expect.objectContaining({ data: expect.objectContaining({ code }) })

test('whoever creates a collection owns it, and nobody else sees it', async () => {
  const { id } = await owner.api.collections.create.mutate({
    name: '  Hand\u202ebook\n',
    description: 'One\r\ntwo\0',
  })
  expect(await owner.api.collections.get.query({ id })).toMatchObject({
    name: 'Handbook',
    description: 'One\ntwo',
    role: 'owner',
    documents: 0,
    needAttention: 0,
    inProgress: 0,
  })
  expect(await owner.api.collections.members.query({ id })).toEqual([
    { userId: owner.viewer.userId, name: 'Owner', role: 'owner' },
  ])
  // The installation's owner has no rights by being that.
  expect(await other.api.collections.list.query()).toEqual([])
  await expect(other.api.collections.get.query({ id })).rejects.toEqual(failure('NOT_FOUND'))
  await expect(other.api.collections.members.query({ id })).rejects.toEqual(failure('NOT_FOUND'))
  await expect(owner.api.collections.create.mutate({ name: '\u200b ' })).rejects.toEqual(
    failure('INVALID_INPUT'),
  )
})

test('a list counts what is there, what is worked on and what needs attention', async () => {
  const id = await library.collection(owner, 'Counted')
  const answers = await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map((name) => upload(owner, id, `${name}.txt`, `text ${name}`)),
  )
  const set = (index: number, stage: string) =>
    library.pool.query('UPDATE document_versions SET stage = $2 WHERE id = $1', [
      answers[index]?.versionId,
      stage,
    ])
  await set(0, 'searchable')
  await set(1, 'attention')
  await set(2, 'cancelled')
  await set(3, 'words')
  // An old version's state counts no more than a deleted document's.
  await upload(owner, id, 'b2.txt', 'newer b', { document: answers[1]?.documentId ?? '' })
  await upload(owner, id, 'f.txt', 'deleted').then((answer) =>
    owner.api.documents.delete.mutate({ id: answer.documentId }),
  )
  const list = await owner.api.collections.list.query()
  expect(list.find((item) => item.id === id)).toMatchObject({ documents: 5, needAttention: 0, inProgress: 3 })
  await set(4, 'attention')
  expect(await owner.api.collections.get.query({ id })).toMatchObject({ needAttention: 1, inProgress: 2 })
})

test('collections are listed by name, as people order names', async () => {
  const person = await library.server.person()
  for (const name of ['Zebra', 'part 10', 'Part 9', 'ärger']) await library.collection(person, name)
  const names = (await person.api.collections.list.query()).map((item) => item.name)
  expect(names).toEqual(['ärger', 'Part 9', 'part 10', 'Zebra'])
})

test('members: owners decide, roles take hold at once, one owner stays', async () => {
  const id = await library.collection(owner, 'Shared')
  const member = other.viewer.userId
  await owner.api.collections.setMember.mutate({ id, userId: member, role: 'viewer' })
  expect(await other.api.collections.get.query({ id })).toMatchObject({ role: 'viewer' })
  expect((await other.api.collections.members.query({ id })).map((each) => each.name)).toEqual([
    'Other',
    'Owner',
  ])
  await refused('FORBIDDEN', [
    other.api.collections.update.mutate({ id, name: 'Mine' }),
    other.api.collections.delete.mutate({ id }),
    other.api.collections.setMember.mutate({ id, userId: member, role: 'owner' }),
    other.api.collections.removeMember.mutate({ id, userId: owner.viewer.userId }),
    other.api.collections.addSamples.mutate({ id }),
  ])
  const self = { id, userId: owner.viewer.userId }
  await expect(owner.api.collections.setMember.mutate({ ...self, role: 'editor' })).rejects.toEqual(
    failure('LAST_OWNER'),
  )
  await expect(owner.api.collections.removeMember.mutate(self)).rejects.toEqual(failure('LAST_OWNER'))
  await expect(
    owner.api.collections.setMember.mutate({ id, userId: 'nobody', role: 'viewer' }),
  ).rejects.toEqual(failure('NOT_FOUND'))
  await expect(owner.api.collections.removeMember.mutate({ id, userId: 'nobody' })).rejects.toEqual(
    failure('NOT_FOUND'),
  )
  await owner.api.collections.setMember.mutate({ id, userId: member, role: 'owner' })
  await owner.api.collections.removeMember.mutate(self)
  await expect(owner.api.collections.get.query({ id })).rejects.toEqual(failure('NOT_FOUND'))
  expect(await other.api.collections.get.query({ id })).toMatchObject({ role: 'owner' })
})

test('whoever was put into a collection can leave it; its last owner can not', async () => {
  const id = await library.collection(owner, 'Put into')
  for (const role of ['viewer', 'editor'] as const) {
    await owner.api.collections.setMember.mutate({ id, userId: other.viewer.userId, role })
    await other.api.collections.leave.mutate({ id })
    await refused('NOT_FOUND', [
      other.api.collections.get.query({ id }),
      other.api.collections.leave.mutate({ id }),
    ])
  }
  await refused('LAST_OWNER', [owner.api.collections.leave.mutate({ id })])
  await owner.api.collections.setMember.mutate({ id, userId: other.viewer.userId, role: 'owner' })
  await owner.api.collections.leave.mutate({ id })
  expect((await other.api.collections.members.query({ id })).map((each) => each.userId)).toEqual([
    other.viewer.userId,
  ])
})

/** Runs calls that all wait for the table of members before they change it, then lets them go. */
async function atOnce(calls: (() => Promise<unknown>)[]): Promise<PromiseSettledResult<unknown>[]> {
  const blocker = await library.pool.connect()
  try {
    await blocker.query('BEGIN; LOCK TABLE collection_members IN SHARE MODE')
    const running: Promise<unknown>[] = []
    for (const call of calls) {
      running.push(call())
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
      while ((await blocker.query(waiting)).rows.length < running.length) await new Promise(setImmediate)
    }
    const settled = Promise.allSettled(running)
    await blocker.query('COMMIT')
    return await settled
  } finally {
    blocker.release()
  }
}

test('two owners can not remove each other at once', async () => {
  const id = await library.collection(owner, 'Duel')
  await owner.api.collections.setMember.mutate({ id, userId: other.viewer.userId, role: 'owner' })
  const results = await atOnce([
    () => owner.api.collections.removeMember.mutate({ id, userId: other.viewer.userId }),
    () => other.api.collections.removeMember.mutate({ id, userId: owner.viewer.userId }),
  ])
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected'])
  const { rows } = await library.pool.query(
    'SELECT user_id FROM collection_members WHERE collection_id = $1',
    [id],
  )
  expect(rows).toEqual([{ user_id: owner.viewer.userId }])
})

test('an owner who is being removed can not let anybody in any more', async () => {
  const third = await library.server.person()
  const id = await library.collection(owner, 'Last deed')
  await owner.api.collections.setMember.mutate({ id, userId: other.viewer.userId, role: 'owner' })
  const [, deed] = await atOnce([
    () => owner.api.collections.removeMember.mutate({ id, userId: other.viewer.userId }),
    () => other.api.collections.setMember.mutate({ id, userId: third.viewer.userId, role: 'owner' }),
  ])
  expect(deed).toMatchObject({ status: 'rejected', reason: { data: { code: 'NOT_FOUND' } } })
  await refused('NOT_FOUND', [third.api.collections.get.query({ id })])
})

test('a team gives its people the stronger of their roles', async () => {
  const id = await library.collection(owner, 'By team')
  await library.pool.query(`INSERT INTO organizations (id, name, slug) VALUES ('o', 'o', 'o')`)
  await library.pool.query(`INSERT INTO teams (id, name, organization_id) VALUES ('t', 't', 'o')`)
  await library.pool.query(`INSERT INTO team_members (id, team_id, user_id) VALUES ('m', 't', $1)`, [
    other.viewer.userId,
  ])
  await library.pool.query(
    `INSERT INTO collection_teams (collection_id, team_id, role) VALUES ($1, 't', 'editor')`,
    [id],
  )
  await owner.api.collections.setMember.mutate({ id, userId: other.viewer.userId, role: 'viewer' })
  expect(await other.api.collections.get.query({ id })).toMatchObject({ role: 'editor' })
})

test('a chat’s own collection is no shared one: not listed, not changed, not deleted', async () => {
  const id = await library.collection(owner, 'Chat files')
  await library.pool.query(`UPDATE collections SET kind = 'chat' WHERE id = $1`, [id])
  expect((await owner.api.collections.list.query()).some((item) => item.id === id)).toBe(false)
  await refused('NOT_FOUND', [
    owner.api.collections.get.query({ id }),
    owner.api.collections.update.mutate({ id, name: 'x' }),
    owner.api.collections.delete.mutate({ id }),
    owner.api.collections.setMember.mutate({ id, userId: other.viewer.userId, role: 'viewer' }),
  ])
  // Its documents are documents like any other.
  const { documentId, status } = await upload(owner, id, 'dropped.txt', 'dropped')
  expect(status).toBe(201)
  expect(await owner.api.documents.get.query({ id: documentId })).toMatchObject({ name: 'dropped.txt' })
})

test('deleting a collection: gone for everybody, retracted in the log, its work stopped', async () => {
  const id = await library.collection(owner, 'Goner')
  const { documentId, versionId } = await upload(owner, id, 'a.txt', 'goner')
  await library.pool.query(`UPDATE document_versions SET stage = 'parsing' WHERE id = $1`, [versionId])
  await owner.api.collections.delete.mutate({ id })
  await expect(owner.api.collections.get.query({ id })).rejects.toEqual(failure('NOT_FOUND'))
  await expect(owner.api.documents.get.query({ id: documentId })).rejects.toEqual(failure('NOT_FOUND'))
  expect(await upload(owner, id, 'b.txt', 'late')).toMatchObject({ status: 404 })
  const { rows: log } = await library.pool.query(
    `SELECT l.op, c.id FROM index_log l JOIN collections c ON c.key = l.collection_key ORDER BY l.seq DESC LIMIT 1`,
  )
  expect(log).toEqual([{ op: 'retract-collection', id }])
  const { rows } = await library.pool.query(
    `SELECT d.deleted_at IS NOT NULL AS deleted, v.cancel_requested_at IS NOT NULL AS stopped
     FROM documents d JOIN document_versions v ON v.document_id = d.id WHERE d.id = $1`,
    [documentId],
  )
  expect(rows).toEqual([{ deleted: true, stopped: true }])
  expect(await library.waitingJobs('purge')).toContainEqual({ collectionId: id })
  await expect(owner.api.collections.delete.mutate({ id })).rejects.toEqual(failure('NOT_FOUND'))
})

test('an upload that races with the collection’s deletion is refused or deleted with it', async () => {
  for (let i = 0; i < 5; i++) {
    const id = await library.collection(owner, `Race ${i}`)
    await Promise.all([
      ...Array.from({ length: 4 }, (_, n) => upload(owner, id, `${n}.txt`, `race ${i} ${n}`)),
      owner.api.collections.delete.mutate({ id }),
    ])
    const { rows } = await library.pool.query(
      'SELECT 1 FROM documents WHERE collection_id = $1 AND deleted_at IS NULL',
      [id],
    )
    expect(rows).toEqual([])
  }
})

test('samples: Terrace’s own documentation, once', async () => {
  const id = await library.collection(owner, 'Samples')
  expect(await owner.api.collections.addSamples.mutate({ id })).toEqual({ documents: 6 })
  const { items } = await owner.api.documents.list.query({ collectionId: id })
  expect(items.map((item) => item.name)).toEqual([
    '1-what-terrace-is.md',
    '2-uploading-documents.md',
    '3-asking-and-citations.md',
    '4-searching.md',
    '5-roles-and-sharing.md',
    '6-running-terrace.md',
  ])
  expect(items.every((item) => item.version.stage === 'received')).toBe(true)
  expect(await owner.api.collections.addSamples.mutate({ id })).toEqual({ documents: 0 })
})
