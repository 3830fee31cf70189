import { readFileSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runAs } from '../../../../local/postgres-binaries.ts'
import { FIXTURES } from '../../../test/ingest.ts'
import { pdf } from '../../../test/pdf.ts'
import { docx, docxParagraph, zip } from '../../../test/zip.ts'
import { type PageOutput, type ParseResult, ParserChild, ParserCrash } from './child.ts'
import { type ParserPool, startParserPool } from './pool.ts'
import { decodeLayout } from './port.ts'

let pool: ParserPool

beforeAll(async () => {
  pool = await startParserPool({ log: pino({ level: 'silent' }), tokenizer: null, size: 2 })
})
afterAll(() => pool?.close())

interface Parsed {
  readonly result: ParseResult
  readonly pages: readonly PageOutput[]
  readonly text: string
  readonly passages: readonly string[]
  readonly headings: readonly string[]
  readonly progress: readonly [number, number | null][]
}

async function parse(
  filename: string,
  bytes: Buffer,
  signal = new AbortController().signal,
): Promise<Parsed> {
  const pages: PageOutput[] = []
  const progress: [number, number | null][] = []
  const result = await pool.parse(
    { filename, bytes: bytes.length, body: async () => Readable.from(chunks(bytes), { objectMode: false }) },
    {
      onProgress: (done, total) => progress.push([done, total]),
      onSplitting: () => {},
      onPage: (page) => pages.push(page),
    },
    signal,
  )
  return {
    result,
    pages,
    progress,
    text: pages.map((page) => page.text).join('\n\f\n'),
    passages: pages.flatMap((page) => page.passages.map(({ start, end }) => page.text.slice(start, end))),
    headings: pages.flatMap((page) => page.passages.map(({ heading }) => heading)),
  }
}

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let i = 0; i < bytes.length; i += 64 * 1024) yield bytes.subarray(i, i + 64 * 1024)
}

const fixture = (name: string) => readFileSync(path.join(FIXTURES, name))

describe('PDF', () => {
  test('text page by page, words joined over line ends, headings and running heads told apart', async () => {
    const { result, pages, passages, headings } = await parse('article.pdf', fixture('article.pdf'))
    expect(result).toMatchObject({ kind: 'pdf', pages: 4, language: 'en' })
    expect(pages[0]?.text).toContain('its characteristic flavour is underdeveloped.')
    for (const page of pages) expect(page.text).not.toMatch(/\p{Ll}[-\u2010]\s?\p{Ll}/u)
    expect(headings).toContain('article > The Tea Handbook > 2. Storage > 2.1. Shelf life')
    // In the page's text, so that it looks like the page; in no passage, so that no search finds it everywhere.
    expect(pages[2]?.text).toMatch(/^Tea Handbook\n/)
    for (const passage of passages) expect(passage).not.toMatch(/Tea Handbook|^\d$/m)
  })

  test('every item stands where its range of the text is', async () => {
    const { pages } = await parse('article.pdf', fixture('article.pdf'))
    for (const page of pages) {
      const layout = decodeLayout(page.layout ?? Buffer.alloc(0))
      let before = 0
      for (const [start, end, x, y, width, height] of layout.items) {
        expect(start).toBeGreaterThanOrEqual(before)
        expect(page.text.slice(start, end)).toMatch(/^\S(?:.*\S)?$/s)
        expect(x).toBeGreaterThan(0)
        expect(x + width).toBeLessThan(layout.width)
        expect(y).toBeGreaterThan(0)
        expect(y + height).toBeLessThan(layout.height)
        before = end
      }
      // Lines go down the page.
      const [first, last] = [layout.items[0], layout.items.at(-1)]
      expect(first?.[3] ?? 0).toBeLessThan(last?.[3] ?? 0)
    }
  })

  test('a browser’s PDF; its own title comes before the file’s name', async () => {
    const { text, headings } = await parse('x.pdf', fixture('manual.pdf'))
    expect(text).toContain('Besançon by a café owner')
    expect(headings).toContain('Manual of the garden gate > Garden gate > Spare parts')
  })

  test('encrypted for nobody in particular is read; with a password it is refused', async () => {
    expect((await parse('a.pdf', fixture('restricted.pdf'))).text).toContain('Water for green tea')
    await expect(parse('a.pdf', fixture('locked.pdf'))).rejects.toMatchObject({ code: 'FILE_ENCRYPTED' })
  })

  test('a page’s progress is told', async () => {
    const { progress } = await parse(
      'many.pdf',
      pdf(Array.from({ length: 40 }, (_, i) => [`Page ${i} has a line of text.`])),
    )
    expect(progress.at(-1)).toEqual([40, 40])
  })

  test.each([
    ['cut off', fixture('article.pdf').subarray(0, 12_000), 'FILE_DAMAGED'],
    [
      'a header and rubbish',
      Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(5000, 'x'), Buffer.from('%%EOF')]),
      'FILE_DAMAGED',
    ],
    ['pictures only', pdf(['scan', 'scan']), 'FILE_NO_TEXT'],
    ['pictures with page numbers', pdf(['scan', ['2'], 'scan', ['4']]), 'FILE_NO_TEXT'],
    ['nothing on its page', pdf([[]]), 'FILE_NO_TEXT'],
  ])('%s', async (_, bytes, code) => {
    await expect(parse('a.pdf', bytes)).rejects.toMatchObject({ code })
  })

  test('a page with three words is no scan', async () => {
    expect((await parse('a.pdf', pdf([['Closed on Mondays']]))).passages).toEqual(['Closed on Mondays'])
  })

  test('a few lines that repeat on every page are the content when there is nothing else', async () => {
    const { passages } = await parse('a.pdf', pdf([['Draft'], ['Draft'], ['Draft']]))
    expect(passages).toEqual(['Draft', 'Draft', 'Draft'])
  })
})

describe('DOCX', () => {
  test('headings, tables, lists', async () => {
    const { result, text, headings } = await parse('report.docx', fixture('report.docx'))
    expect(result.kind).toBe('docx')
    expect(text).toContain('South | 95 | +21 %')
    expect(text).toContain('2. Two positions in the workshop are vacant.')
    expect(text).toContain('See the annual plan for details.')
    expect(headings).toContain('Quarterly Report > Summary > Figures by region')
  })

  test('a bomb is refused by what comes out of it, whatever its directory claims', async () => {
    const zeros = `<w:p/>${' '.repeat(300 * 1024 * 1024)}`
    await expect(parse('a.docx', docx(zeros))).rejects.toMatchObject({ code: 'FILE_TOO_COMPLEX' })
    const liar = zip([
      { name: '[Content_Types].xml', data: '<Types/>' },
      { name: 'word/document.xml', data: Buffer.alloc(50 * 1024 * 1024), claimedSize: 1000 },
    ])
    await expect(parse('a.docx', liar)).rejects.toMatchObject({
      code: expect.stringMatching(/^FILE_(?:TOO_COMPLEX|DAMAGED)$/),
    })
  })

  test('entities are not expanded: a file that declares some is refused', async () => {
    const prolog = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
    const bytes = docx(docxParagraph('&a;&b;'), { prolog })
    await expect(parse('a.docx', bytes)).rejects.toMatchObject({ code: 'FILE_DAMAGED' })
  })

  test.each([
    ['cut off', fixture('report.docx').subarray(0, 6000), 'FILE_DAMAGED'],
    ['without its document', zip([{ name: 'word/other.xml', data: '<a/>' }]), 'FILE_DAMAGED'],
    ['XML that ends early', docx('<w:p><w:r><w:t>text'), 'FILE_DAMAGED'],
    ['empty', docx('<w:p/>'), 'FILE_EMPTY'],
    [
      'a password-protected one',
      Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.from('EncryptedPackage', 'utf16le')]),
      'FILE_ENCRYPTED',
    ],
  ])('%s', async (_, bytes, code) => {
    await expect(parse('a.docx', bytes)).rejects.toMatchObject({ code })
  })

  test('a hundred thousand nested elements cost an answer, not the service', async () => {
    const deep =
      '<w:sdt><w:sdtContent>'.repeat(100_000) +
      docxParagraph('deep') +
      '</w:sdtContent></w:sdt>'.repeat(100_000)
    await expect(parse('a.docx', docx(deep))).rejects.toMatchObject({ code: expect.stringMatching(/^FILE_/) })
    expect((await parse('b.txt', Buffer.from('still there'))).text).toBe('still there')
  })
})

describe('HTML', () => {
  test('what a reader reads, in the encoding it declares', async () => {
    const { result, text, headings } = await parse('manual.html', fixture('manual.html'))
    expect(result.kind).toBe('html')
    expect(text).toContain('Besançon by a café owner')
    expect(text).toContain('Fasten the posts with four screws each — not fewer.')
    expect(text).toContain('Hinge | G-230')
    expect(text).toContain('gate --open\n  gate --close')
    expect(text).not.toMatch(/script|evil|Jump to|hidden words|invisible words|color/)
    expect(headings).toContain('Manual of the garden gate > Garden gate > Installation')
  })

  test('a hundred thousand nested elements', async () => {
    const html = `${'<div>'.repeat(100_000)}the bottom${'</div>'.repeat(100_000)}`
    expect((await parse('deep.html', Buffer.from(html))).text).toBe('the bottom')
  })
})

describe('Markdown', () => {
  test('headings, lists, tables, code, front matter', async () => {
    const { result, text, headings } = await parse('report.md', fixture('report.md'))
    expect(result.kind).toBe('markdown')
    expect(text).not.toMatch(/\*\*|\]\(|^#|^title/m)
    expect(text).toContain('1. The contract with the carrier ends in November.')
    expect(headings).toContain('Quarterly Report > Summary > Open points')
    const code = await parse(
      'a.md',
      Buffer.from('# T\n\n```sh\nrm -rf &lt;\n  x\n```\n\nA &amp; B <b>bold</b>\n'),
    )
    expect(code.text).toContain('rm -rf &lt;\n  x')
    expect(code.text).toContain('A & B bold')
  })
})

describe('plain text', () => {
  const french = 'Le café où l’on dîne coûte 12 €. Voilà déjà l’été : « très bien », répondit-elle.'
  test.each([
    ['UTF-8', Buffer.from(french)],
    ['UTF-8 with a mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(french)])],
    ['UTF-16 LE with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(french, 'utf16le')])],
    ['UTF-16 LE without one', Buffer.from(french, 'utf16le')],
    ['UTF-16 BE', Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(french, 'utf16le').swap16()])],
    ['windows-1252', Buffer.from(french.replace('€', '\x80').replaceAll('’', '\x92'), 'latin1')],
  ])('%s', async (_, bytes) => {
    expect((await parse('a.txt', bytes)).text).toBe(french)
  })

  test('Latin-1 letters survive, and other alphabets are guessed', async () => {
    expect((await parse('a.txt', Buffer.from('Größe und Maß', 'latin1'))).text).toBe('Größe und Maß')
    const koi8 = Buffer.from(
      'f0d2c9d7c5d42c20cdc9d22120fcd4cf20c4cfd7cfccd8cecf20c4ccc9cececad120d4c5cbd3d42e',
      'hex',
    )
    expect((await parse('a.txt', koi8)).text).toMatch(/[а-я]{4}/)
  })

  test('bytes that are no characters, zero bytes and lone surrogates do not stop it', async () => {
    const bytes = Buffer.concat([
      Buffer.from('Before é ü ö ä ß '.repeat(20)),
      Buffer.from([0xff, 0x00, 0xed, 0xa0, 0x80]),
      Buffer.from(' after'),
    ])
    const { text } = await parse('a.txt', bytes)
    expect(text).toContain('Before é')
    expect(text).toContain('after')
    expect(text).not.toContain('\0')
    expect(text.isWellFormed()).toBe(true)
  })

  test('slices end where paragraphs end and lose nothing', async () => {
    const paragraphs = Array.from({ length: 400 }, (_, i) =>
      `Paragraph ${i} says something of its own. ${'More words. '.repeat(i % 9)}`.trim(),
    )
    const { pages } = await parse('a.txt', Buffer.from(paragraphs.join('\n\n')))
    expect(pages.length).toBeGreaterThan(3)
    expect(pages.map((page) => page.text).join('\n\n')).toBe(paragraphs.join('\n\n'))
    for (const page of pages) expect(page.text.length).toBeLessThanOrEqual(6_000)
  })

  test('a megabyte without a line end, a word without an end', async () => {
    const { result } = await parse('a.txt', Buffer.from('word '.repeat(200_000)))
    expect(result.pages).toBeGreaterThan(100)
    const { text, passages } = await parse('b.txt', Buffer.from('𝒳'.repeat(20_000)))
    expect(text.isWellFormed()).toBe(true)
    for (const passage of passages) expect(passage.isWellFormed()).toBe(true)
  })
})

describe('CSV', () => {
  test('rows carry their columns’ names', async () => {
    const { result, text } = await parse('a.csv', Buffer.from('Name;City;Age\n"Ada; L.";London;36\nBob;;7\n'))
    expect(result.kind).toBe('csv')
    expect(text).toBe('Name: Ada; L.; City: London; Age: 36\nName: Bob; Age: 7')
  })

  test('no header, tabs, quotes that are not closed, rows of any length', async () => {
    expect((await parse('a.csv', Buffer.from('1,2\n3,4\n'))).text).toBe('1; 2\n3; 4')
    expect((await parse('a.tsv', Buffer.from('A\tB\nx\ty\n'))).text).toBe('A: x; B: y')
    expect((await parse('a.csv', Buffer.from('A,B\n1,2,3\n4\n'))).text).toBe('A: 1; B: 2; 3\nA: 4')
    expect((await parse('a.csv', Buffer.from('A,B\nhe said "no",2\n'))).text).toBe('A: he said "no"; B: 2')
    expect((await parse('a.csv', Buffer.from('only\n'))).text).toBe('only')
  })

  test('a hundred thousand lines', async () => {
    const lines = Array.from({ length: 100_000 }, (_, i) => `${i},item ${i},${i % 97}`)
    const { result, passages } = await parse('a.csv', Buffer.from(`id,name,price\n${lines.join('\n')}\n`))
    expect(result.passages).toBeGreaterThan(4_000)
    expect(passages.at(-1)).toContain('id: 99999; name: item 99999')
  })
})

describe('a small file with a long text', () => {
  test('is refused: a header that every row repeats', async () => {
    const header = Array.from({ length: 10 }, (_, i) => `${'x'.repeat(79)}${i}`).join(',')
    const rows = `${'1,'.repeat(9)}1\n`.repeat(130_000)
    await expect(parse('a.csv', Buffer.from(`${header}\n${rows}`))).rejects.toMatchObject({
      code: 'FILE_TOO_COMPLEX',
    })
    expect((await parse('b.txt', Buffer.from('still there'))).text).toBe('still there')
  }, 60_000)

  const page = (fields: string) => `{ type: 'page', layout: null, passages: [], headings: [], ${fields} }`
  test.each([
    ['texts', page("number, text: 'x'.repeat(10_000_000)")],
    ['layouts', page("number, text: 'x', layout: 'x'.repeat(40_000_000)")],
    [
      'passages',
      page(
        "number, text: 'x'.repeat(400_000), headings: ['h'], passages: Array.from({ length: 400_000 }, (_, i) => [i, i + 1, 1, 0])",
      ),
    ],
  ])(
    'is refused when a parser that was taken over sends %s without end',
    async (_, message) => {
      const child = new ParserChild({
        file: process.execPath,
        args: [
          '--eval',
          `const say = (message) => new Promise((resolve) => process.send(message, resolve))
         process.on('message', async () => { for (let number = 1; ; number++) await say(${message}) })
         say({ type: 'ready' })`,
        ],
      })
      try {
        await child.ready(10_000)
        let pages = 0
        const parsing = child.parse(
          { filename: 'a.txt', bytes: 1, body: Readable.from([Buffer.from('x')]) },
          { onProgress: () => {}, onSplitting: () => {}, onPage: () => pages++ },
          { idleMs: 20_000, totalMs: 40_000, memoryBytes: 2 ** 31 },
          new AbortController().signal,
        )
        await expect(parsing).rejects.toMatchObject({ code: 'FILE_TOO_COMPLEX' })
        expect(pages).toBeLessThanOrEqual(10)
        expect(child.alive).toBe(false)
      } finally {
        await child.close()
      }
    },
    60_000,
  )
})

describe('what a file is', () => {
  test.each([
    ['notes.txt', 'a PDF', fixture('article.pdf'), 'pdf'],
    ['page.txt', 'a DOCX', fixture('report.docx'), 'docx'],
    ['README', 'text without an extension', Buffer.from('Read me first.'), 'text'],
    ['saved', 'HTML without an extension', Buffer.from('<!doctype html><p>Hello there.'), 'html'],
    ['tool.py', 'text with another extension', Buffer.from('print("hello")'), 'text'],
  ])('%s is read as what it is: %s', async (filename, _, bytes, kind) => {
    expect((await parse(filename, bytes)).result.kind).toBe(kind)
  })

  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
  test.each([
    ['a.pdf', Buffer.from('<html>Not found</html>'), 'FILE_TYPE_MISMATCH', 'text'],
    ['a.docx', Buffer.from('just text'), 'FILE_TYPE_MISMATCH', 'text'],
    ['a.txt', png, 'FILE_TYPE_MISMATCH', 'a PNG image'],
    ['a.png', png, 'FILE_TYPE_UNSUPPORTED', 'a PNG image'],
    [
      'a.xlsx',
      zip([{ name: 'xl/workbook.xml', data: '<a/>' }]),
      'FILE_TYPE_UNSUPPORTED',
      'an Excel workbook',
    ],
    ['a.md', Buffer.alloc(1000), 'FILE_TYPE_MISMATCH', 'binary data'],
  ])('%s is refused', async (filename, bytes, code, type) => {
    await expect(parse(filename, bytes)).rejects.toMatchObject({ code, detail: { type } })
  })

  test('nothing at all', async () => {
    await expect(parse('a.txt', Buffer.alloc(0))).rejects.toMatchObject({ code: 'FILE_EMPTY' })
    await expect(parse('a.txt', Buffer.from(' \n\n '))).rejects.toMatchObject({ code: 'FILE_EMPTY' })
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('the process of a parser', () => {
  test('holds no secret of its parent, and as little of the machine as can be taken away here', () => {
    const [pid] = pool.pids()
    process.env.TERRACE_TEST_SECRET = 'a secret'
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
    expect(
      environment.filter(
        (line) => !/^(?:PATH|LANG|TZ|TMPDIR|NODE_ENV|NODE_EXTRA_CA_CERTS|NODE_CHANNEL_\w+)=|^$/.test(line),
      ),
    ).toEqual([])
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
    expect(command).toContain('--permission')
    expect(command.filter((argument) => /^--allow-(?!fs-read=)/.test(argument))).toEqual([])
    if (pool.sandbox.network) return
    expect(readlinkSync(`/proc/${pid}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'))
    expect(readFileSync(`/proc/${pid}/status`, 'latin1')).toContain('NoNewPrivs:\t1')
  })

  test.runIf(process.getuid?.() === 0)(
    'started by root runs under a user of its own: not under PostgreSQL’s',
    () => {
      expect(pool.sandbox.name).toContain('user')
      const status = readFileSync(`/proc/${pool.pids()[0]}/status`, 'latin1')
      for (const kind of ['Uid', 'Gid']) {
        const ids = new RegExp(`^${kind}:\\t(.*)$`, 'm').exec(status)?.[1]?.split('\t').map(Number) ?? []
        expect(new Set(ids).size).toBe(1)
        expect(ids).not.toContain(0)
        expect(ids).not.toContain(runAs()?.uid)
      }
    },
  )

  const big = Buffer.from('A sentence of a few words. '.repeat(400_000))

  test('may be killed in the middle of a file: the file is told, the next one is read', async () => {
    const parsing = parse('big.txt', big)
    parsing.catch(() => {})
    await sleep(30)
    for (const pid of pool.pids()) process.kill(pid, 'SIGKILL')
    await expect(parsing).rejects.toBeInstanceOf(ParserCrash)
    expect((await parse('a.txt', Buffer.from('next'))).text).toBe('next')
  })

  test('ends when its file is cancelled', async () => {
    const stop = new AbortController()
    const parsing = parse('big.txt', big, stop.signal)
    parsing.catch(() => {})
    const before = pool.pids()
    await sleep(30)
    stop.abort(new Error('cancelled by a person'))
    await expect(parsing).rejects.toThrow('cancelled by a person')
    for (const pid of before.filter((pid) => !pool.pids().includes(pid)))
      await expect.poll(() => isAlive(pid)).toBe(false)
  })

  test('whose stored file turns out to be another one at its end gives nothing, however fast it is', async () => {
    async function* body() {
      yield Buffer.from('ab')
      // The parser has all that it was promised, and says what it is.
      await sleep(500)
      throw new Error('not what was uploaded')
    }
    const parsing = pool.parse(
      { filename: 'a.txt', bytes: 2, body: async () => Readable.from(body(), { objectMode: false }) },
      { onProgress: () => {}, onSplitting: () => {}, onPage: () => {} },
      new AbortController().signal,
    )
    await expect(parsing).rejects.toThrow('not what was uploaded')
  })

  test('that stands still is given up', async () => {
    const own = await startParserPool({
      log: pino({ level: 'silent' }),
      tokenizer: null,
      size: 1,
      limits: { idleMs: 700 },
    })
    try {
      for (const pid of own.pids()) process.kill(pid, 'SIGSTOP')
      const parsing = own.parse(
        { filename: 'a.txt', bytes: 2, body: async () => Readable.from([Buffer.from('ab')]) },
        { onProgress: () => {}, onSplitting: () => {}, onPage: () => {} },
        new AbortController().signal,
      )
      await expect(parsing).rejects.toMatchObject({ code: 'FILE_PARSE_TIMEOUT' })
    } finally {
      await own.close()
    }
  })

  test('that grows past its limit is ended', async () => {
    const own = await startParserPool({
      log: pino({ level: 'silent' }),
      tokenizer: null,
      size: 1,
      limits: { memoryBytes: 1024 * 1024 },
    })
    // Looked at twice a second: it must not be done before.
    const rest = Promise.withResolvers<Buffer>()
    const slowly = async function* () {
      yield Buffer.from('a')
      yield await rest.promise
    }
    try {
      const parsing = own.parse(
        {
          filename: 'a.txt',
          bytes: 2,
          body: async () => Readable.from(slowly(), { objectMode: false }),
        },
        { onProgress: () => {}, onSplitting: () => {}, onPage: () => {} },
        new AbortController().signal,
      )
      await expect(parsing).rejects.toThrow('too much memory')
    } finally {
      rest.resolve(Buffer.from('b'))
      await own.close()
    }
  })
})
