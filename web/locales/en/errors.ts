// One sentence for every code that the API can answer with, and what to do next where there is something.
import type { ErrorCode } from '../../../contract/errors.ts'

/** Only the search model's page can meet these: its own file has them. */
export type SearchModelCode = Exclude<
  Extract<ErrorCode, `GENERATION_${string}` | `EMBEDDER_${string}` | `READING_${string}`>,
  'EMBEDDER_UNAVAILABLE' | 'EMBEDDER_REFUSED_TEXT'
>

/** Of API keys: programs meet them, and the account's page. Its own file has them. */
export type KeyCode = Extract<ErrorCode, 'KEY_INVALID' | 'KEY_NOT_ALLOWED' | 'TOO_MANY_KEYS'>

export const errors = {
  'error.NETWORK': 'The server can not be reached. Check the connection; this page tries again by itself.',
  'error.INVALID_INPUT': 'This was not accepted: {reason}',
  'error.SIGN_IN_REQUIRED': 'Please sign in to go on.',
  'error.WRONG_CREDENTIALS': 'The e-mail address or the password is wrong.',
  'error.FORBIDDEN': 'You may not do this. Ask an owner for a stronger role.',
  'error.FOREIGN_ORIGIN':
    'The request came from another site and was refused. Reload this page and try again.',
  'error.NOT_FOUND': 'This does not exist, or it is not shared with you.',
  'error.CONFLICT': 'This has changed in the meantime: {reason}',
  'error.TOO_LARGE': 'This is too large. The limit is {limit}.',
  'error.TOO_MANY_REQUESTS': 'Too many requests. Try again in {seconds} seconds.',
  'error.INTERNAL':
    'Something went wrong on the server. Try again; if it stays, tell your operator the request id {requestId}.',
  'error.UNAVAILABLE': 'The service is starting or busy. This page tries again by itself.',
  'error.STORAGE_FULL': 'The storage is full. Nothing was kept of this upload; tell your operator.',
  'error.SETUP_DONE': 'This installation already has its owner. Please sign in.',
  'error.SETUP_TOKEN_WRONG':
    'This set-up link is not valid any more. The current one is printed where Terrace was started.',
  'error.INVITATION_INVALID': 'This invitation is no longer valid. Ask for a new link.',
  'error.EMAIL_TAKEN': 'There is already an account with this e-mail address. Sign in instead.',
  'error.PASSWORD_TOO_WEAK': 'The password needs at least {min} characters.',
  'error.LAST_OWNER': 'This is the last owner. Make someone else owner first.',
  'error.FILE_EMPTY': 'The file is empty.',
  'error.FILE_TYPE_UNSUPPORTED':
    'Files of this kind can not be read ({type}). PDF, DOCX, HTML, Markdown, text and CSV can.',
  'error.FILE_TYPE_MISMATCH':
    'The file is not what its name says: it looks like {type}. Rename it or save it again.',
  'error.FILE_DAMAGED': 'The file is damaged and could not be read. Save it again and upload that.',
  'error.FILE_ENCRYPTED': 'The file is protected by a password. Remove the protection and upload it again.',
  'error.FILE_NO_TEXT':
    'No text was found; this looks like a scan. Run text recognition (OCR) on it and upload the result.',
  'error.FILE_TOO_COMPLEX': 'The file unpacks to far more than it should and was not read.',
  'error.FILE_PARSE_TIMEOUT': 'Reading the file took too long and was given up. Split it into smaller files.',
  'error.FILE_ORIGINAL_MISSING': 'The stored file is missing. Please upload it again.',
  'error.INGEST_STORAGE_FULL':
    'The storage is full. Reading goes on by itself when there is room; tell your operator.',
  'error.FILE_PARSER_CRASHED': 'The file stopped its reader {crashes} times and was set aside.',
  'error.UPLOAD_INCOMPLETE': 'The upload ended before the whole file had arrived. Nothing was kept of it.',
  'error.UPLOAD_STALLED': 'The upload stood still for too long and was given up. Nothing was kept of it.',
  'error.DUPLICATE': 'The same file is already here.',
  'error.QUESTION_TOO_LONG': 'The question is too long. The limit is {limit} characters.',
  'error.NOTHING_TO_SEARCH': 'Choose at least one collection or document to ask.',
  'error.MODEL_UNKNOWN': 'There is no model of this name any more. Choose another one.',
  'error.MODEL_UNAVAILABLE': 'The model could not be reached. Try again, or choose another one.',
  'error.MODEL_RETIRED': 'The provider no longer offers this model. Choose another one.',
  'error.MODEL_ALLOWANCE_USED': 'The allowance of this model for today is used up.',
  'error.MODEL_BUSY': 'The model is busy. Try again in a moment.',
  'error.MODEL_REFUSED_KEY': 'The model refused its key. Tell your operator.',
  'error.MODEL_REFUSED_REQUEST':
    'The model refused the request. Ask something shorter, or choose another model.',
  'error.MODEL_STALLED': 'The model stopped answering. What had arrived is kept.',
  'error.MODEL_BROKEN': 'The model sent something that is not an answer.',
  'error.BUDGET_SPENT':
    'Your budget for this month ({limit} {unit}) has no room for another answer. It starts again on {day}; until then “Most relevant passages” still answers, or ask an owner.',
  'error.BUDGET_NONE':
    'Your account has no budget for language models. “Most relevant passages” still answers, or ask an owner.',
  'error.EMBEDDER_UNAVAILABLE': 'The search model can not be reached.',
  'error.EMBEDDER_REFUSED_TEXT': 'The search model does not accept a passage (status {status}).',
  'error.ANSWER_INTERRUPTED': 'The answer was interrupted. What had arrived is kept.',
} as const satisfies Record<`error.${Exclude<ErrorCode, SearchModelCode | KeyCode> | 'NETWORK'}`, string>
