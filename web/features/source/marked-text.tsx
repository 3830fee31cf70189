import { segments } from './highlight.ts'
import { reflow } from './reflow.ts'
import { wordRanges } from './words.ts'

/** A quote with a query's words in it marked; paragraphs stand close, as in a quote. */
export function MarkedText({ text, query }: { text: string; query: string }) {
  const shown = reflow(text).replace(/\n\s*\n/g, '\n')
  return segments(shown, wordRanges(shown, query)).map((segment) =>
    segment.marked ? (
      <mark key={segment.start} className="-mx-0.5 rounded-sm bg-mark px-0.5 text-inherit">
        {segment.text}
      </mark>
    ) : (
      segment.text
    ),
  )
}
