// A set's document as a file that a person could have uploaded: HTML, because it says what is title and what is text,
// and because nothing in the text can be taken for markup once it is escaped.

export interface SetDocument {
  readonly id: string
  /** Empty when it has none. */
  readonly title: string
  readonly text: string
}

export interface DocumentFile {
  readonly name: string
  readonly body: string
}

/** Null for a document without any text, which no file can hold. Empty lines end paragraphs, other line ends are kept. */
export function documentFile({ id, title, text }: SetDocument): DocumentFile | null {
  if (title.trim() === '' && text.trim() === '') return null
  const heading =
    title.trim() === '' ? [] : [`<title>${escaped(title)}</title>`, `<h1>${escaped(title)}</h1>`]
  const paragraphs = text
    .split(/\r?\n[^\S\n]*\r?\n/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => `<p>${escaped(paragraph.trim()).replaceAll('\n', '<br>')}</p>`)
  return {
    // What names an untitled document: the search knows a file by its name then.
    name: `${id.replaceAll(/[/\\]/g, '-')}.html`,
    body: ['<!doctype html><meta charset="utf-8">', ...heading, ...paragraphs].join('\n'),
  }
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => ENTITIES[character] ?? character)
}
