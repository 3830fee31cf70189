// Every error that leaves the API carries one of these codes. The HTTP status is fixed here; the sentence is
// the API's own English one (`{name}` is filled from the error's detail), which the interface may translate by code.

export interface ErrorKind {
  readonly status: number
  readonly message: string
}

export const ERRORS = {
  // requests
  INVALID_INPUT: { status: 400, message: 'The request is not valid: {reason}' },
  SIGN_IN_REQUIRED: { status: 401, message: 'Please sign in.' },
  WRONG_CREDENTIALS: { status: 401, message: 'The e-mail address or the password is wrong.' },
  KEY_INVALID: {
    status: 401,
    message: 'An API key is needed, and this is none that works: it is wrong, expired or revoked.',
  },
  KEY_NOT_ALLOWED: { status: 403, message: 'This API key may not do this: it was made without “{scope}”.' },
  FORBIDDEN: { status: 403, message: 'You may not do this.' },
  FOREIGN_ORIGIN: { status: 403, message: 'The request came from another site.' },
  NOT_FOUND: { status: 404, message: 'This does not exist, or you may not see it.' },
  CONFLICT: { status: 409, message: 'This has changed in the meantime: {reason}' },
  TOO_LARGE: { status: 413, message: 'This is too large: the limit is {limit}.' },
  TOO_MANY_REQUESTS: { status: 429, message: 'Too many requests. Try again in {seconds} s.' },
  INTERNAL: { status: 500, message: 'Something went wrong here. The request id is {requestId}.' },
  UNAVAILABLE: { status: 503, message: 'The service is not ready: {reason}' },
  STORAGE_FULL: { status: 507, message: 'The storage is full. Nothing was kept of this upload.' },
  // people
  SETUP_DONE: { status: 409, message: 'This installation already has its owner. Please sign in.' },
  SETUP_TOKEN_WRONG: {
    status: 403,
    message: 'This set-up link is not valid. The current one is printed by npm start.',
  },
  INVITATION_INVALID: { status: 404, message: 'This invitation is no longer valid. Ask for a new link.' },
  EMAIL_TAKEN: { status: 409, message: 'There is already an account with this e-mail address.' },
  PASSWORD_TOO_WEAK: { status: 400, message: 'The password needs at least {min} characters.' },
  LAST_OWNER: { status: 409, message: 'The last owner can not be removed.' },
  TOO_MANY_KEYS: { status: 409, message: 'You have {limit} API keys already. Revoke one that is not used.' },
  // files
  FILE_EMPTY: { status: 422, message: 'The file is empty.' },
  FILE_TYPE_UNSUPPORTED: {
    status: 415,
    message: 'Files of this kind can not be read: {type}. PDF, DOCX, HTML, Markdown, text and CSV can.',
  },
  FILE_TYPE_MISMATCH: { status: 422, message: 'The file is not what its name says: it looks like {type}.' },
  FILE_DAMAGED: { status: 422, message: 'The file is damaged and could not be read.' },
  FILE_ENCRYPTED: {
    status: 422,
    message: 'The file is protected by a password. Remove the protection and upload it again.',
  },
  FILE_NO_TEXT: {
    status: 422,
    message: 'No text was found: this looks like a scan. Text recognition is not set up here.',
  },
  FILE_TOO_COMPLEX: { status: 422, message: 'The file unpacks to far more than it should and was not read.' },
  FILE_PARSE_TIMEOUT: { status: 422, message: 'Reading the file took too long and was given up.' },
  FILE_PARSER_CRASHED: {
    status: 422,
    message: 'The file stopped its reader {crashes} times and was set aside.',
  },
  FILE_ORIGINAL_MISSING: { status: 410, message: 'The stored file is missing. Please upload it again.' },
  INGEST_STORAGE_FULL: {
    status: 507,
    message: 'The storage is full. Reading this file goes on by itself when there is room.',
  },
  UPLOAD_INCOMPLETE: {
    status: 400,
    message: 'The upload ended before the whole file had arrived. Nothing was kept of it.',
  },
  UPLOAD_STALLED: {
    status: 408,
    message: 'The upload stood still for too long and was given up. Nothing was kept of it.',
  },
  DUPLICATE: { status: 409, message: 'The same file is already here.' },
  // answers
  QUESTION_TOO_LONG: { status: 413, message: 'The question is too long: at most {limit} characters.' },
  NOTHING_TO_SEARCH: { status: 422, message: 'Choose at least one collection or document to ask.' },
  MODEL_UNKNOWN: { status: 422, message: 'There is no model of this name.' },
  MODEL_UNAVAILABLE: { status: 502, message: 'The model could not be reached.' },
  MODEL_RETIRED: { status: 410, message: 'The model is no longer offered by its provider.' },
  MODEL_BUSY: { status: 429, message: 'The model is busy. Try again in a moment.' },
  MODEL_ALLOWANCE_USED: { status: 429, message: 'The allowance of this model for today is used up.' },
  MODEL_REFUSED_KEY: {
    status: 502,
    message:
      'The model refused its key. An operator has to look at MODELS, or at the keys of the model endpoint.',
  },
  MODEL_REFUSED_REQUEST: {
    // What was asked is to blame: as an error of ours it would end a release.
    status: 422,
    message: 'The model did not accept the request (status {status}). A shorter question may help.',
  },
  MODEL_STALLED: { status: 504, message: 'The model stopped answering.' },
  MODEL_BROKEN: { status: 502, message: 'The model sent something that is not an answer.' },
  BUDGET_SPENT: {
    status: 429,
    message:
      'Your budget for this month ({limit} {unit}) has no room for another answer. It starts again on {day}; until then “Most relevant passages” still answers, or an owner of this installation raises it.',
  },
  BUDGET_NONE: {
    status: 403,
    message:
      'Your account has no budget for language models. “Most relevant passages” answers; an owner of this installation can change that.',
  },
  // search models
  EMBEDDER_UNAVAILABLE: { status: 502, message: 'The search model could not be reached.' },
  EMBEDDER_STALLED: { status: 504, message: 'The search model did not answer in time.' },
  EMBEDDER_BUSY: { status: 503, message: 'The search model is busy. Work goes on in {seconds} s.' },
  EMBEDDER_REFUSED_KEY: {
    status: 502,
    message: 'The search model refused its key. An operator has to look at EMBEDDERS.',
  },
  EMBEDDER_GONE: { status: 502, message: 'The search model is not there any more (status {status}).' },
  EMBEDDER_REFUSED_TEXT: {
    status: 422,
    message: 'The search model did not accept a passage (status {status}).',
  },
  EMBEDDER_BROKEN: { status: 502, message: 'The search model sent something unusable: {reason}.' },
  EMBEDDER_MISSING: {
    status: 409,
    message: 'This search model can not be used here: it is not in EMBEDDERS, or its weights are missing.',
  },
  GENERATION_EXISTS: {
    status: 409,
    message: 'This is there already: the same search model, and documents read the same way.',
  },
  GENERATION_BUSY: { status: 409, message: 'One search model at a time can be built or removed.' },
  GENERATION_IN_USE: { status: 409, message: 'This search model is the one in use.' },
  GENERATION_UNREAD: {
    status: 409,
    message: '{documents} documents have not been read anew yet. Nothing was switched.',
  },
  READING_FAILED: {
    status: 422,
    message:
      '{files} files could not be read anew, “{name}” among them. Replace or delete them, or stay with what is in use.',
  },
  READING_FAILED_ELSEWHERE: {
    status: 422,
    message:
      '{files} files in collections that you do not see could not be read anew. Ask their owners, or stay with what is in use.',
  },
  GENERATION_INCOMPLETE: {
    status: 409,
    message: '{passages} passages have no vectors of this search model yet. Nothing was switched.',
  },
  ANSWER_INTERRUPTED: { status: 503, message: 'The answer was interrupted. What had arrived is kept.' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERRORS
export type ErrorDetail = Readonly<Record<string, string | number | boolean | null>>

/** The sentence for a code, its `{name}` places filled from `detail` (missing ones stay empty). */
export function errorMessage(code: ErrorCode, detail: ErrorDetail = {}): string {
  return ERRORS[code].message.replace(/\{(\w+)\}/g, (_, name: string) => String(detail[name] ?? ''))
}
