/** A passage that is opened beside an answer or a search's results. */
export interface OpenSource {
  readonly documentId: string
  readonly documentName: string
  readonly versionId: string
  /** That `start` and `end` count in. */
  readonly readingId: number
  readonly page: number
  readonly start: number
  readonly end: number
  readonly available: boolean
  /** "title > section path", where it is known. */
  readonly heading?: string
}
