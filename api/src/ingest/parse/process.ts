// A parser's process: takes one file at a time from stdin, says over IPC what is in it, and is thrown away after a
// while. Everything that touches a document's bytes happens here. It never writes a word of them anywhere else.
import dgram from 'node:dgram'
import net from 'node:net'
import { readTokenizer } from '../../models/embedder-tokenizer.ts'
import { documentTitle } from '../headings.ts'
import { detectLanguage, languageSample } from '../language.ts'
import { type Passage, splitPages } from '../split.ts'
import { parseCsv } from './csv.ts'
import { parseDocx } from './docx.ts'
import { parseHtml } from './html.ts'
import { fileKind } from './kind.ts'
import { parseMarkdown } from './markdown.ts'
import { parsePdf } from './pdf.ts'
import {
  encodeLayout,
  type ParsedDocument,
  ParseFailure,
  type ParseRequest,
  type ParserMessage,
} from './port.ts'
import { parseText } from './text.ts'

/** Where the operating system could not take the network away (parse/sandbox.ts), at least nothing of ours has it. */
function refuseNetwork(): void {
  const refuse = () => {
    throw new Error('a parser has no network')
  }
  net.Socket.prototype.connect = refuse
  net.Server.prototype.listen = refuse
  dgram.Socket.prototype.bind = refuse
  dgram.Socket.prototype.send = refuse
}

const tokenizerPath = process.argv[2]
const countTokens =
  tokenizerPath === undefined || tokenizerPath === '' ? estimateTokens : tokenCounter(tokenizerPath)

function tokenCounter(file: string): (text: string) => number {
  const tokenizer = readTokenizer(file)
  return (text) => tokenizer.count(text)
}

/** Without weights nothing is embedded; passages still need a size. English has 4.2 characters a token. */
function estimateTokens(text: string): number {
  return Math.ceil(text.length / 4.2)
}

/** Resolves when the parent has taken the message: a large document waits here instead of in memory twice. */
function say(message: ParserMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) process.exit(0)
    process.send(message, undefined, undefined, () => resolve())
  })
}

let pending: { request: ParseRequest; bytes: Buffer; filled: number } | undefined

// The file and the message that announces it come by two ways, in any order: stdin is only read when it is awaited.
process.stdin.pause()
process.stdin.on('data', (chunk: Buffer) => {
  if (pending === undefined) return
  pending.filled += chunk.copy(pending.bytes, pending.filled)
  if (pending.filled === pending.request.bytes) start()
})
process.on('message', (request: ParseRequest) => {
  pending = { request, bytes: Buffer.allocUnsafeSlow(request.bytes), filled: 0 }
  if (request.bytes === 0) start()
  else process.stdin.resume()
})
process.on('disconnect', () => process.exit(0))

function start(): void {
  const ready = pending
  pending = undefined
  process.stdin.pause()
  if (ready === undefined) return
  work(ready.request, ready.bytes).catch(async (error: unknown) => {
    const failure = error instanceof ParseFailure ? error : new ParseFailure('FILE_DAMAGED', {}, error)
    await say({ type: 'failed', code: failure.code, detail: failure.detail })
  })
}

async function work(request: ParseRequest, bytes: Buffer): Promise<void> {
  const document = await parse(request.filename, bytes)
  await say({ type: 'splitting', pages: document.pages.length })
  const language = detectLanguage(languageSample(document.pages))
  const title = documentTitle(document.title, request.filename)
  // A very long text takes minutes: a sign of life now and then, or it would be given up.
  let told = performance.now()
  const onPage = () => {
    if (performance.now() - told < 5_000) return
    told = performance.now()
    void say({ type: 'splitting', pages: document.pages.length })
  }
  const passages = splitPages(document.pages, {
    ...{ title, language, countTokens, onPage },
    passageTokens: request.passageTokens,
  })
  let next = 0
  for (const [index, page] of document.pages.entries()) {
    const own: Passage[] = []
    for (; passages[next]?.page === index + 1; next++) {
      const passage = passages[next]
      if (passage !== undefined) own.push(passage)
    }
    const headings = [...new Set(own.map((passage) => passage.heading))]
    await say({
      type: 'page',
      number: index + 1,
      text: page.text,
      layout: page.layout === undefined ? null : encodeLayout(page.layout).toString('base64'),
      passages: own.map(({ start, end, tokens, heading }) => [start, end, tokens, headings.indexOf(heading)]),
      headings,
    })
  }
  await say({
    type: 'done',
    kind: document.kind,
    pages: document.pages.length,
    passages: passages.length,
    tokens: passages.reduce((sum, passage) => sum + passage.tokens, 0),
    language,
    memory: process.memoryUsage.rss(),
  })
}

async function parse(filename: string, bytes: Buffer): Promise<ParsedDocument> {
  const kind = fileKind(filename, bytes)
  let told = 0
  const progress = (pages: number, total: number | null = null) => {
    const now = performance.now()
    if (now - told < 100 && pages !== total) return
    told = now
    void say({ type: 'progress', pages, total })
  }
  switch (kind) {
    case 'pdf':
      return await parsePdf(bytes, progress)
    case 'docx':
      return await parseDocx(bytes)
    case 'html':
      return parseHtml(bytes)
    case 'markdown':
      return parseMarkdown(bytes)
    case 'csv':
      return await parseCsv(bytes, progress)
    case 'text':
      return parseText(bytes, progress)
  }
}

refuseNetwork()
// Read once now, so that the first file of a fresh process does not wait for it.
await Promise.all([import('unpdf/pdfjs'), import('mammoth')])
await say({ type: 'ready' })
