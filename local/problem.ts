// Something that a person has to settle: what is wrong in one sentence, the way out in another.
// Printed as it is, without a stack; every other error is ours and is printed with one.

export class Problem extends Error {
  readonly wayOut: string
  constructor(what: string, wayOut: string, options?: ErrorOptions) {
    super(what, options)
    this.wayOut = wayOut
  }
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Turns what the file system refuses into a sentence; anything else is passed on. */
export function fileProblem(error: unknown, place: string): unknown {
  switch (errorCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new Problem(`The disk that holds ${place} is full.`, 'Make room and start again.', {
        cause: error,
      })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new Problem(
        `This user may not write ${place}.`,
        'Give the folder to this user, or name another one: TERRACE_HOME=/some/folder npm start',
        { cause: error },
      )
    case 'ENOTDIR':
    case 'EEXIST':
      return new Problem(
        `${place} is in the way: it is not a folder.`,
        'Move it away, or name another folder: TERRACE_HOME=/some/folder npm start',
        { cause: error },
      )
    default:
      return error
  }
}

/** What to print for an error. */
export function explain(error: unknown): string {
  const code = errorCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return explain(fileProblem(error, 'the data or the checkout'))
  if (error instanceof Problem) return `${error.message}\n${error.wayOut}`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
