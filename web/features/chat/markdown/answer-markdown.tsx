// An answer's Markdown as React elements, from marked's tokens: no HTML is ever put together. What a model writes is
// untrusted: raw HTML stays text, images are never asked for (an address can carry a document's words away), links
// go only to the web or to mail and tell no one where they came from. Loaded only when there is an answer to show.
// (react-markdown with remark-gfm does the same in 49 kB of script instead of 15.)
import { Lexer } from 'marked'
import { memo, useMemo } from 'react'
import { settleTail, splitBlocks } from './blocks.ts'
import { Blocks } from './elements.tsx'

interface Props {
  text: string
  /** The text still grows. */
  streaming: boolean
  /** Numbers that have a source; null while they are not known yet, when every number counts as one. */
  numbers: readonly number[] | null
}

export default function AnswerMarkdown({ text, streaming, numbers }: Props) {
  const blocks = useMemo(() => splitBlocks(text), [text])
  const known = numbers === null ? '*' : numbers.join(',')
  return blocks.map((block, n) => (
    <Block
      // biome-ignore lint/suspicious/noArrayIndexKey: blocks only ever grow at the end, the position is the identity
      key={n}
      text={streaming && n === blocks.length - 1 ? settleTail(block) : block}
      known={known}
    />
  ))
}

/** Parsed again only when its own text changes: a token costs one block, however long the answer is. */
const Block = memo(function Block({ text, known }: { text: string; known: string }) {
  const isKnown = useMemo(() => {
    const numbers = new Set(known.split(',').map(Number))
    return (number: number) => known === '*' || numbers.has(number)
  }, [known])
  const tokens = useMemo(() => tokensOf(text), [text])
  if (tokens === null) return <p className="whitespace-pre-wrap">{text}</p>
  return <Blocks tokens={tokens} isKnown={isKnown} depth={0} />
})

/** Null for what can't be parsed, such as a thousand quotes in each other: it is shown as it is. */
function tokensOf(text: string) {
  try {
    return new Lexer({ gfm: true }).lex(text)
  } catch {
    return null
  }
}
