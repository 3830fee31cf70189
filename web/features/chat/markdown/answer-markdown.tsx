// An answer's Markdown as React elements. What a model writes is untrusted: raw HTML stays text, images are never
// asked for (an address can carry a document's words away), links go only to the web or to mail and tell no one
// where they came from. Loaded only when there is an answer to show.
import { memo, useMemo } from 'react'
import Markdown, { type Components } from 'react-markdown'
import remarkGfm from 'remark-gfm'
import { t } from '../../../lib/t.ts'
import { settleTail, splitBlocks } from './blocks.ts'
import { CitationButtons } from './citation-button.tsx'
import { rehypeCitations } from './citations.ts'
import { safeAddress } from './safe-address.ts'

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
      // Blocks only ever grow at the end: the position is the identity.
      // biome-ignore lint/suspicious/noArrayIndexKey: see above
      key={n}
      text={streaming && n === blocks.length - 1 ? settleTail(block) : block}
      known={known}
    />
  ))
}

/** Parsed again only when its own text changes: a token costs one block, however long the answer is. */
const Block = memo(function Block({ text, known }: { text: string; known: string }) {
  const rehypePlugins = useMemo(() => {
    const numbers = new Set(known.split(',').map(Number))
    return [[rehypeCitations, { known: (n: number) => known === '*' || numbers.has(n) }] as const]
  }, [known])
  return (
    <Markdown
      remarkPlugins={REMARK}
      rehypePlugins={rehypePlugins.map(([plugin, options]) => [plugin, options])}
      components={COMPONENTS}
      urlTransform={safeAddress}
    >
      {text}
    </Markdown>
  )
})

const REMARK = [[remarkGfm, { singleTilde: false }] as [typeof remarkGfm, { singleTilde: boolean }]]

const COMPONENTS: Components & Record<'citation', (props: { numbers?: string }) => React.ReactNode> = {
  citation: ({ numbers = '' }) => <CitationButtons numbers={numbers.split(',').map(Number)} />,
  p: ({ children }) => <p className="my-3 first:mt-0 last:mb-0">{children}</p>,
  a: ({ href, children }) =>
    href === undefined || href === '' ? (
      <span>{children}</span>
    ) : (
      <a
        href={href}
        title={href}
        target="_blank"
        rel="noopener noreferrer nofollow"
        className="text-accent underline decoration-accent/40 underline-offset-2 hover:decoration-accent"
      >
        {children}
      </a>
    ),
  img: ({ alt }) => (
    <span className="text-ink-soft italic">
      [{alt ? t('answer.imageLeftOut', { text: alt }) : t('answer.image')}]
    </span>
  ),
  // The page's own headings stand above an answer's.
  h1: ({ children }) => <h3 className="mt-6 mb-2 text-lg font-semibold first:mt-0">{children}</h3>,
  h2: ({ children }) => <h3 className="mt-6 mb-2 text-lg font-semibold first:mt-0">{children}</h3>,
  h3: ({ children }) => <h4 className="mt-5 mb-2 font-semibold first:mt-0">{children}</h4>,
  h4: ({ children }) => <h5 className="mt-4 mb-1.5 font-semibold first:mt-0">{children}</h5>,
  h5: ({ children }) => <h6 className="mt-4 mb-1.5 font-semibold first:mt-0">{children}</h6>,
  h6: ({ children }) => <h6 className="mt-4 mb-1.5 font-semibold first:mt-0">{children}</h6>,
  ul: ({ children }) => <ul className="my-3 list-disc space-y-1.5 pl-6 first:mt-0">{children}</ul>,
  ol: ({ children, start }) => (
    <ol start={start} className="my-3 list-decimal space-y-1.5 pl-6 first:mt-0">
      {children}
    </ol>
  ),
  li: ({ children }) => <li className="pl-1 marker:text-ink-soft [&>p]:my-1">{children}</li>,
  blockquote: ({ children }) => (
    <blockquote className="my-3 border-l-2 border-line-strong/50 pl-4 text-ink-soft">{children}</blockquote>
  ),
  hr: () => <hr className="my-5 border-line" />,
  pre: ({ children }) => (
    <pre
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a long line is scrolled with the keyboard
      tabIndex={0}
      className="my-3 overflow-x-auto rounded-lg border border-line bg-sunken p-3.5 text-[0.8125rem] leading-relaxed"
    >
      {children}
    </pre>
  ),
  code: ({ children }) => (
    <code className="rounded bg-sunken px-1 py-0.5 font-mono text-[0.875em] [pre_&]:bg-transparent [pre_&]:p-0 [pre_&]:text-[1em]">
      {children}
    </code>
  ),
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled with the keyboard
    <div tabIndex={0} className="my-3 overflow-x-auto rounded-lg border border-line">
      <table className="w-full border-collapse text-sm">{children}</table>
    </div>
  ),
  th: ({ children }) => (
    <th className="border-b border-line bg-sunken px-3 py-2 text-left font-semibold">{children}</th>
  ),
  td: ({ children }) => (
    <td className="border-b border-line px-3 py-2 align-top [tr:last-child>&]:border-b-0">{children}</td>
  ),
}
