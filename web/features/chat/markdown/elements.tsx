import type { MarkedToken, Token, Tokens } from 'marked'
import { createElement, Fragment, type ReactNode } from 'react'
import { t } from '../../../lib/t.ts'
import { CitationButtons } from './citation-button.tsx'
import { splitCitations } from './citations.ts'
import { decodeEntities } from './entities.ts'
import { safeAddress } from './safe-address.ts'

interface Props {
  tokens: readonly Token[]
  isKnown: (number: number) => boolean
  /** Lists and quotes in each other. */
  depth: number
}

/** Deeper than anyone writes: from here on a text is shown as it is. */
const DEEPEST = 12

/** Block tokens. A token's place is its identity: a block's tokens change only by growing. */
export function Blocks({ tokens, isKnown, depth }: Props) {
  return tokens.map((token, n) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: see above
    <Fragment key={n}>{block(token as MarkedToken, isKnown, depth)}</Fragment>
  ))
}

function block(token: MarkedToken, isKnown: Props['isKnown'], depth: number): ReactNode {
  const inline = (tokens: readonly Token[] | undefined) => (
    <Inline tokens={tokens ?? []} isKnown={isKnown} depth={0} />
  )
  if (depth > DEEPEST) return token.raw
  switch (token.type) {
    case 'space':
    case 'def':
      return null
    case 'paragraph':
      return <p className="my-3 first:mt-0 last:mb-0">{inline(token.tokens)}</p>
    case 'heading':
      return heading(token, inline(token.tokens))
    case 'code':
      return (
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a long line is scrolled with the keyboard
          tabIndex={0}
          className="my-3 overflow-x-auto rounded-lg border border-line bg-sunken p-3.5 text-[0.8125rem] leading-relaxed first:mt-0"
        >
          <code className="font-mono">{token.text}</code>
        </pre>
      )
    case 'blockquote':
      return (
        <blockquote className="my-3 border-l-2 border-line-strong/50 pl-4 text-ink-soft">
          <Blocks tokens={token.tokens} isKnown={isKnown} depth={depth + 1} />
        </blockquote>
      )
    case 'list':
      return list(token, isKnown, depth)
    case 'table':
      return table(token, inline)
    case 'hr':
      return <hr className="my-5 border-line" />
    case 'html':
      return <p className="my-3 whitespace-pre-wrap">{token.raw.trim()}</p>
    // In a tight list an item's text is no paragraph.
    case 'text':
      return token.tokens === undefined ? token.text : inline(token.tokens)
    case 'checkbox':
      return checkbox(token)
    default:
      return token.raw
  }
}

/** The page's own headings stand above an answer's. */
function heading(token: Tokens.Heading, children: ReactNode): ReactNode {
  const look =
    token.depth <= 2 ? 'mt-6 mb-2 text-lg font-semibold first:mt-0' : 'mt-5 mb-2 font-semibold first:mt-0'
  return createElement(`h${Math.min(6, Math.max(3, token.depth + 1))}`, { className: look }, children)
}

function list(token: Tokens.List, isKnown: Props['isKnown'], depth: number): ReactNode {
  const items = token.items.map((item, n) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: an item's place is its identity
    <li key={n} className="pl-1 marker:text-ink-soft [&>ol]:my-1.5 [&>p]:my-1.5 [&>ul]:my-1.5">
      <Blocks tokens={item.tokens} isKnown={isKnown} depth={depth + 1} />
    </li>
  ))
  return token.ordered ? (
    <ol
      start={token.start === '' ? undefined : token.start}
      className="my-3 list-decimal space-y-1.5 pl-6 first:mt-0"
    >
      {items}
    </ol>
  ) : (
    <ul className="my-3 list-disc space-y-1.5 pl-6 first:mt-0">{items}</ul>
  )
}

function table(token: Tokens.Table, inline: (tokens: readonly Token[]) => ReactNode): ReactNode {
  const align = (cell: Tokens.TableCell) =>
    cell.align === 'right' ? 'text-right' : cell.align === 'center' ? 'text-center' : 'text-left'
  return (
    <div
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled with the keyboard
      tabIndex={0}
      className="my-3 overflow-x-auto rounded-lg border border-line first:mt-0"
    >
      <table className="w-full border-collapse text-sm">
        <thead>
          <tr>
            {token.header.map((cell, n) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a cell's place is its identity
              <th key={n} className={`border-b border-line bg-sunken px-3 py-2 font-semibold ${align(cell)}`}>
                {inline(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: as above
            <tr key={n} className="not-last:border-b not-last:border-line">
              {row.map((cell, m) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: as above
                <td key={m} className={`px-3 py-2 align-top ${align(cell)}`}>
                  {inline(cell.tokens)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function checkbox({ checked }: Tokens.Checkbox): ReactNode {
  return <input type="checkbox" disabled checked={checked} readOnly className="mr-2 align-middle" />
}

function Inline({ tokens, isKnown, depth }: Props) {
  return tokens.map((token, n) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a token's place is its identity
    <Fragment key={n}>{inlineToken(token as MarkedToken, isKnown, depth)}</Fragment>
  ))
}

function inlineToken(token: MarkedToken, isKnown: Props['isKnown'], depth: number): ReactNode {
  if (depth > DEEPEST) return token.raw
  const inside = (tokens: readonly Token[] | undefined) => (
    <Inline tokens={tokens ?? []} isKnown={isKnown} depth={depth + 1} />
  )
  switch (token.type) {
    case 'text':
      return token.tokens === undefined ? cited(token.text, isKnown) : inside(token.tokens)
    case 'escape':
      return token.text
    case 'strong':
      return <strong className="font-semibold">{inside(token.tokens)}</strong>
    case 'em':
      return <em>{inside(token.tokens)}</em>
    case 'del':
      return <del>{inside(token.tokens)}</del>
    case 'codespan':
      return <code className="rounded bg-sunken px-1 py-0.5 font-mono text-[0.875em]">{token.text}</code>
    case 'br':
      return <br />
    case 'image':
      return (
        <span className="text-ink-soft italic">
          [{token.text === '' ? t('answer.image') : t('answer.imageLeftOut', { text: token.text })}]
        </span>
      )
    case 'link':
      return link(token)
    case 'checkbox':
      return checkbox(token)
    default:
      return token.raw
  }
}

/** A link's words are plain text: nothing in a link is a citation, and links don't nest. */
function link({ href, text }: Tokens.Link): ReactNode {
  const address = safeAddress(decodeEntities(href))
  if (address === '') return decodeEntities(text)
  return (
    <a
      href={address}
      title={address}
      target="_blank"
      rel="noopener noreferrer nofollow"
      className="text-accent underline decoration-accent/40 underline-offset-2 wrap-anywhere hover:decoration-accent"
    >
      {decodeEntities(text)}
    </a>
  )
}

function cited(text: string, isKnown: Props['isKnown']): ReactNode {
  return splitCitations(decodeEntities(text), isKnown).map((piece, n) =>
    'text' in piece ? (
      piece.text
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: a piece's place is its identity
      <CitationButtons key={n} numbers={piece.numbers} />
    ),
  )
}
