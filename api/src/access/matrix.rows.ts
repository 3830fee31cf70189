// One row for every procedure: the input with which the authorisation matrix (matrix.test.ts) calls it.
// What has to come of it is not said here but computed from the procedure's own `.meta({ access })`.
import type { InstallationRole } from '../../../contract/stages.ts'

/** The ids that one call is made with: all of one resource that the caller may own, or not, or that is missing. */
export interface Ids {
  readonly collectionId: string
  readonly documentId: string
  readonly versionId: string
  readonly chatId: string
  readonly answerId: string
  readonly attemptId: string
  /** Another person, whom the call may act on. */
  readonly userId: string
  readonly invitationId: string
  readonly uuid: string
}

const password = 'correct horse battery'
const role: InstallationRole = 'member'

export const ROWS: Readonly<Record<string, (ids: Ids) => unknown>> = {
  'chats.ask': ({ chatId, uuid }) => ({ chatId, text: 'What is a terrace?', requestId: uuid }),
  'chats.create': () => ({ collectionIds: [] }),
  'chats.delete': ({ chatId }) => ({ id: chatId }),
  'chats.get': ({ chatId }) => ({ id: chatId }),
  'chats.list': () => ({}),
  'chats.ownCollection': ({ chatId }) => ({ id: chatId }),
  'chats.rename': ({ chatId }) => ({ id: chatId, title: 'Renamed' }),
  'chats.retry': ({ answerId }) => ({ answerId }),
  'chats.setModel': ({ chatId }) => ({ id: chatId, model: 'passages' }),
  'chats.setScope': ({ chatId }) => ({ id: chatId, collectionIds: [] }),
  'chats.prepare': ({ attemptId }) => ({ attemptId }),
  'chats.push': ({ attemptId }) => ({ attemptId, start: 0, text: 'a' }),
  'chats.finish': ({ attemptId }) => ({ attemptId, text: 'a', receipt: null, ending: 'done' }),
  'chats.relay': ({ attemptId }) => ({ attemptId }),
  'chats.stop': ({ answerId }) => ({ answerId }),
  'chats.watch': ({ answerId }) => ({ answerId }),
  'collections.addSamples': ({ collectionId }) => ({ id: collectionId }),
  'collections.create': () => ({ name: 'New' }),
  'collections.delete': ({ collectionId }) => ({ id: collectionId }),
  'collections.get': ({ collectionId }) => ({ id: collectionId }),
  'collections.leave': ({ collectionId }) => ({ id: collectionId }),
  'collections.list': () => undefined,
  'collections.members': ({ collectionId }) => ({ id: collectionId }),
  'collections.removeMember': ({ collectionId, userId }) => ({ id: collectionId, userId }),
  'collections.setMember': ({ collectionId, userId }) => ({ id: collectionId, userId, role: 'viewer' }),
  'collections.update': ({ collectionId }) => ({ id: collectionId, name: 'Renamed' }),
  'documents.cancel': ({ documentId }) => ({ id: documentId }),
  'documents.delete': ({ documentId }) => ({ id: documentId }),
  'documents.get': ({ documentId }) => ({ id: documentId }),
  'documents.list': ({ collectionId }) => ({ collectionId }),
  'documents.page': ({ documentId, versionId }) => ({ id: documentId, versionId, number: 1 }),
  'documents.pages': ({ documentId }) => ({ id: documentId }),
  'documents.rename': ({ documentId }) => ({ id: documentId, name: 'renamed.txt' }),
  'documents.resolveDuplicate': ({ documentId }) => ({ id: documentId, choice: 'skip' }),
  'documents.retry': ({ documentId }) => ({ id: documentId }),
  'events.watch': () => undefined,
  'generations.build': () => ({ embedderId: 'nothing' }),
  'generations.list': () => undefined,
  'generations.remove': () => ({ id: 1 }),
  'generations.switchTo': () => ({ id: 1 }),
  'goldenQuestions.add': ({ collectionId }) => ({ collectionId, question: 'Which?', passageId: 1 }),
  'goldenQuestions.check': ({ collectionId, uuid }) => ({ collectionId, id: uuid }),
  'goldenQuestions.list': ({ collectionId }) => ({ collectionId }),
  'goldenQuestions.remove': ({ collectionId, uuid }) => ({ collectionId, id: uuid }),
  'goldenQuestions.removeAnswer': ({ collectionId, documentId, uuid }) => ({
    collectionId,
    id: uuid,
    documentId,
  }),
  'keys.create': ({ uuid }) => ({ name: `Key ${uuid}`, scopes: ['ask'] }),
  'keys.list': () => undefined,
  'keys.revoke': ({ uuid }) => ({ id: uuid }),
  'keys.revokeAll': ({ userId }) => ({ userId }),
  'models.list': () => undefined,
  'people.acceptInvitation': ({ invitationId }) => ({ id: invitationId, name: 'New', password }),
  'people.invitation': ({ invitationId }) => ({ id: invitationId }),
  'people.invitations': () => undefined,
  'people.invite': ({ uuid }) => ({ email: `${uuid}@example.org`, role }),
  'people.list': () => undefined,
  'people.me': () => undefined,
  'people.remove': ({ userId }) => ({ userId }),
  'people.revokeInvitation': ({ invitationId }) => ({ id: invitationId }),
  'people.setRole': ({ userId }) => ({ userId, role }),
  'people.updateMe': () => ({ name: 'Renamed' }),
  'search.passages': () => ({ query: 'terrace' }),
  'setup.createOwner': ({ uuid }) => ({
    token: 'wrong',
    name: 'Eve',
    email: `${uuid}@example.org`,
    password,
  }),
  'setup.status': () => undefined,
}

/** Inputs that name collections or documents to look into: one that the caller may not see must be refused. */
export const SCOPES: readonly (readonly [string, (ids: Ids) => unknown])[] = [
  ['chats.create', ({ collectionId }) => ({ collectionIds: [collectionId] })],
  ['chats.create', ({ documentId }) => ({ collectionIds: [], documentId })],
  ['chats.setScope', ({ chatId, collectionId }) => ({ id: chatId, collectionIds: [collectionId] })],
  ['chats.setScope', ({ chatId, documentId }) => ({ id: chatId, collectionIds: [], documentId })],
  ['keys.create', ({ collectionId }) => ({ name: 'K', scopes: ['search'], collectionIds: [collectionId] })],
  ['search.passages', ({ collectionId }) => ({ query: 'terrace', collectionIds: [collectionId] })],
  ['search.passages', ({ documentId }) => ({ query: 'terrace', documentId })],
]
