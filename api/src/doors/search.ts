// The two things that assistants do with documents: search them, and read one whole.
import { documentAddress } from '../../../contract/addresses.ts'
import { requireDocument } from '../access/collections.ts'
import { cleanLine, cleanText } from '../chat/clean.ts'
import { AppError } from '../errors.ts'
import type { WordsOnly } from '../index/port.ts'
import { getDocument } from '../library/documents.ts'
import { getPages, listPages } from '../library/pages.ts'
import type { KeyGrant } from '../people/keys.ts'
import { type PassageHit, searchPassages } from '../retrieval/search.ts'
import type { Services } from '../services.ts'
import { askableCollections } from './collections.ts'

export type SearchDoorDeps = Pick<Services, 'pool' | 'index' | 'embedders' | 'config'>

/** In the shape that ChatGPT's and Claude's connectors know. */
export interface FoundDocument {
  /** What `readDocument` takes. */
  readonly id: string
  readonly title: string
  /** Where it opens at its best passage. */
  readonly url: string
  /** Its passages that were found, best first. */
  readonly text: string
}

export interface FoundDocuments {
  /** Best first, each once. */
  readonly documents: readonly FoundDocument[]
  /** As of `SearchResult`. */
  readonly wordsOnly: WordsOnly | null
}

export interface ReadDocument {
  readonly id: string
  readonly title: string
  readonly text: string
  readonly url: string
  readonly metadata: Readonly<Record<string, string>>
}

const PASSAGES = 40
const DOCUMENTS = 10
const PASSAGES_PER_DOCUMENT = 3
const NAME_LENGTH = 200
/** UTF-16 units of one reading; about 50,000 tokens. */
const TEXT_LENGTH = 200_000
const PAGES_AT_ONCE = 50

/** None when the key is good for no collection. */
export async function findDocuments(
  deps: SearchDoorDeps,
  grant: KeyGrant,
  query: string,
  signal: AbortSignal,
): Promise<FoundDocuments> {
  const collections = await askableCollections(deps.pool, grant)
  if (collections.length === 0) return { documents: [], wordsOnly: null }
  const { passages, wordsOnly } = await searchPassages(
    deps,
    grant.viewer,
    { query, limit: PASSAGES, seen: 'head', collectionIds: collections.map(({ id }) => id) },
    signal,
  )
  const byDocument = new Map<string, [PassageHit, ...PassageHit[]]>()
  for (const hit of passages) {
    const known = byDocument.get(hit.documentId)
    if (known === undefined) byDocument.set(hit.documentId, [hit])
    else if (known.length < PASSAGES_PER_DOCUMENT) known.push(hit)
  }
  const documents = [...byDocument.values()].slice(0, DOCUMENTS).map((hits) => {
    const { charStart: start, charEnd: end, ...best } = hits[0]
    return {
      id: best.documentId,
      title: cleanLine(best.documentName, NAME_LENGTH),
      url: deps.config.publicUrl + documentAddress({ ...best, start, end }),
      text: hits.map(({ text }) => cleanText(text)).join('\n…\n'),
    }
  })
  return { documents, wordsOnly }
}

/**
 * A document, or where in it to go on: `DOCUMENT:VERSION:READING:PAGE:CHARACTER`, as the part before says. The version and
 * the reading of it are those of that part: two parts of different texts are no whole.
 */
const ID = /^([0-9a-f-]{36})(?::([0-9a-f-]{36}):(\d{1,10}):(\d{1,8}):(\d{1,9}))?$/i

/**
 * The text of a document's current version. One that is too long for one answer comes in parts: `metadata.next` is the
 * id of the part that follows.
 * @throws AppError NOT_FOUND, UNAVAILABLE for a document that was not read yet, CONFLICT when it was replaced since the
 * part before or is replaced meanwhile; the signal's reason
 */
export async function readDocument(
  deps: SearchDoorDeps,
  grant: KeyGrant,
  id: string,
  signal: AbortSignal,
): Promise<ReadDocument> {
  signal.throwIfAborted()
  const [, documentId = '', version, reading, page = '1', character = '0'] = ID.exec(id) ?? []
  const { collectionId } = await requireDocument(deps.pool, grant.viewer, documentId, 'viewer')
  const collections = await askableCollections(deps.pool, grant)
  const collection = collections.find((each) => each.id === collectionId)
  if (collection === undefined) throw new AppError('NOT_FOUND')
  const document = await getDocument(deps, grant.viewer, documentId)
  const list = await listPages(deps, grant.viewer, { id: documentId })
  const goneOn = version !== undefined && reading !== undefined
  if (goneOn && (version.toLowerCase() !== list.versionId || Number(reading) !== list.readingId))
    throw new AppError('CONFLICT', { reason: 'the document was replaced; read it from its beginning' })
  if (!list.current || list.pages.length === 0)
    throw new AppError('UNAVAILABLE', { reason: 'the document has not been read yet' })
  const last = list.pages.at(-1)?.number ?? 0
  const { versionId, readingId } = list
  const pageOf = async (from: number) => {
    signal.throwIfAborted()
    const pages = await getPages(deps, grant.viewer, {
      ...{ id: documentId, versionId, readingId, from, count: PAGES_AT_ONCE },
    })
    if (pages.length === 0) throw new AppError('CONFLICT', { reason: 'the document was replaced or closed' })
    return pages
  }
  const { text, next } = await collect(pageOf, { page: Number(page), character: Number(character), last })
  return {
    id,
    title: cleanLine(document.name, NAME_LENGTH),
    text: cleanText(text),
    url: deps.config.publicUrl + documentAddress({ documentId }),
    metadata: {
      collection: collection.name,
      mediaType: list.mediaType,
      version: versionId,
      pages: String(last),
      ...(next === null
        ? {}
        : { next: [documentId, versionId, readingId, next.page, next.character].join(':') }),
    },
  }
}

interface Place {
  readonly page: number
  readonly character: number
}

/** Pages from a place on, until there is enough. */
async function collect(
  pagesFrom: (page: number) => Promise<readonly { number: number; text: string }[]>,
  { page, character, last }: Place & { readonly last: number },
): Promise<{ text: string; next: Place | null }> {
  if (page < 1 || page > last) throw new AppError('NOT_FOUND')
  const parts: string[] = []
  let left = TEXT_LENGTH
  let skip = character
  for (let from = page; from <= last; from += PAGES_AT_ONCE) {
    for (const { number, text } of await pagesFrom(from)) {
      // Not in the middle of a character.
      const rest = text.slice(skip)
      if (rest.length > left) {
        const part = rest
          .slice(0, left)
          .toWellFormed()
          .replace(/\uFFFD$/u, '')
        return { text: [...parts, part].join('\n\n'), next: { page: number, character: skip + part.length } }
      }
      parts.push(rest)
      left -= rest.length
      skip = 0
    }
  }
  return { text: parts.join('\n\n'), next: null }
}
