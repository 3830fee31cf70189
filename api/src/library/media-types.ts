// What a file claims to be by its name. Ingest looks at the bytes and corrects it.
const BY_EXTENSION: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  html: 'text/html',
  htm: 'text/html',
  xhtml: 'application/xhtml+xml',
  md: 'text/markdown',
  markdown: 'text/markdown',
  txt: 'text/plain',
  text: 'text/plain',
  log: 'text/plain',
  csv: 'text/csv',
  tsv: 'text/csv',
}

const UNKNOWN = 'application/octet-stream'

export function mediaTypeOf(filename: string): string {
  const extension = /\.([^.]+)$/.exec(filename)?.[1]?.toLowerCase() ?? ''
  return BY_EXTENSION[extension] ?? UNKNOWN
}

/** As it may stand in a Content-Type header. */
export function headerMediaType(stored: string): string {
  return /^[a-z0-9.+-]{1,60}\/[a-z0-9.+-]{1,100}$/.test(stored) ? stored : UNKNOWN
}
