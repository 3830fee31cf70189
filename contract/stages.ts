// The stages of a document version, of an answer's attempt, and the roles: words used in the database,
// on the wire and in the interface's catalogue alike.

/** In order; `attention` and `cancelled` can follow any of them. */
export const DOCUMENT_STAGES = [
  'received',
  'parsing',
  'splitting',
  'words',
  'searchable',
  'attention',
  'cancelled',
] as const
export type DocumentStage = (typeof DOCUMENT_STAGES)[number]

export const ATTEMPT_STATES = [
  'waiting',
  'searching',
  'reading',
  'streaming',
  'done',
  'stopped',
  'interrupted',
  'failed',
] as const
export type AttemptState = (typeof ATTEMPT_STATES)[number]

export const INSTALLATION_ROLES = ['owner', 'member'] as const
export type InstallationRole = (typeof INSTALLATION_ROLES)[number]

/** Weakest first. */
export const COLLECTION_ROLES = ['viewer', 'editor', 'owner'] as const
export type CollectionRole = (typeof COLLECTION_ROLES)[number]

/** What an API key may be good for: asking for answers (OpenAI-compatible API), searching and reading (MCP). */
export const KEY_SCOPES = ['ask', 'search'] as const
export type KeyScope = (typeof KEY_SCOPES)[number]

/** The id of the answerer that needs no language model: "Most relevant passages". */
export const PASSAGES_MODEL = 'passages'
