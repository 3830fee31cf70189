// `npm run eval` as a person runs it, on a set of a dozen documents: with the real model, over HTTP, and gone afterwards.
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import { MODEL_DIR } from './ingest.ts'
import { cookieOf } from './people.ts'
import { type Product, startProduct } from './product.ts'
import { client } from './server.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const weights = existsSync(path.join(MODEL_DIR, EMBEDDER_WEIGHTS.folder, EMBEDDER_WEIGHTS.files.model.name))

/** Each answers one question in its own words and one in others. */
const ANSWERS = [
  ['The lorry was repaired on Tuesday.', 'lorry repaired', 'when did they fix the truck'],
  ['Our canteen serves soup at noon.', 'canteen soup', 'where can staff eat lunch'],
  ['The physician prescribed antibiotics.', 'physician antibiotics', 'medicine from the doctor'],
  ['A feline sleeps on the windowsill.', 'feline windowsill', 'where does the cat nap'],
  ['Precipitation is expected over the weekend.', 'precipitation weekend', 'will it rain on Saturday'],
  ['The vessel left the harbour at dawn.', 'vessel harbour', 'what time did the ship sail'],
] as const

let folder: string
let temporary: string
let set: string
const children: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-eval-test-'))
  // PostgreSQL may run as another user, and must get to its folder.
  chmodSync(folder, 0o711)
  temporary = path.join(folder, 'tmp')
  set = path.join(folder, 'small')
  mkdirSync(temporary)
  mkdirSync(path.join(set, 'qrels'), { recursive: true })
  const jsonLines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const documents = ANSWERS.map(([text], i) => ({ _id: `d${i}`, title: 'Notes', text }))
  const others = ['Unrelated minutes of a meeting.', 'A list of addresses.', ''].map((text, i) => ({
    ...{ _id: `x${i}`, text },
  }))
  writeFileSync(path.join(set, 'corpus.jsonl'), jsonLines([...documents, ...others]))
  const questions = ANSWERS.flatMap(([, own, other], i) => [
    { _id: `own${i}`, text: own },
    { _id: `other${i}`, text: other },
  ])
  writeFileSync(path.join(set, 'queries.jsonl'), jsonLines(questions))
  const qrels = questions.map(({ _id }) => `${_id}\td${_id.at(-1)}\t1`)
  writeFileSync(path.join(set, 'qrels/test.tsv'), ['query-id\tcorpus-id\tscore', ...qrels, ''].join('\n'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** Of whom the command asks a running Terrace. */
const account: Record<string, string> = {}

function run(...args: string[]) {
  const child = spawn(process.execPath, [path.join(ROOT, 'bench/eval/command.ts'), ...args], {
    env: { PATH: process.env.PATH, TMPDIR: temporary, MODEL_DIR, ...account },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended, output: () => output }
}

/** What a web server is to this command: the API below /api, which knows this address as its own. */
async function webServerOf({ url: api, config }: Product): Promise<{ url: string } & AsyncDisposable> {
  const server = http.createServer((asked, response) => {
    const { method, headers, url = '' } = asked
    const told = { ...headers, origin: config.publicUrl }
    const request = http.request(api + url.replace(/^\/api/, ''), { method, headers: told }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    request.on('error', () => response.destroy())
    asked.pipe(request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Processes of this machine that were started for it: each carries its temporary folder. */
function leftBehind(): string[] {
  return globSync('/proc/[0-9]*').flatMap((process) => {
    try {
      const about = ['cmdline', 'environ']
        .map((file) => readFileSync(`${process}/${file}`, 'utf8'))
        .join('\0')
      return about.includes(`${temporary}/`) ? [about.replaceAll('\0', ' ').slice(0, 200)] : []
    } catch {
      return []
    }
  })
}

function nothingIsLeft() {
  // Node's cache of compiled modules is not of this run alone.
  expect(readdirSync(temporary).filter((name) => name.startsWith('terrace-'))).toEqual([])
  expect(leftBehind()).toEqual([])
}

describe.skipIf(!weights)('npm run eval', () => {
  test('measures each method by its own ranking, writes the result, and leaves nothing behind', async () => {
    const json = path.join(folder, 'result.json')
    const { ended, output } = run(set, '--json', json)
    expect(await ended, output()).toBe(0)
    expect(output()).toMatch(/nDCG@10 .*\[.*\].*\nrecall@1 /)
    expect(output()).toContain('1 documents without any text were left out')
    const { name, figures, bars } = JSON.parse(readFileSync(json, 'utf8'))
    expect(name).toBe('eval-small')
    expect(figures).toMatchObject({
      documents: 9,
      passages: 8,
      questions: 12,
      questionsCut: 0,
      bestSingle: 'meaning',
    })
    // Half of the questions have no word in common with their answer.
    const { words, meaning, fused } = figures.methods
    expect(words['recall@20'].mean).toBe(0.5)
    expect(meaning['nDCG@10'].mean).toBeGreaterThan(0.8)
    expect(fused['recall@5'].mean).toBeGreaterThan(0.9)
    expect(bars).toMatchObject([{ limit: -0.02, better: 'more' }])
    nothingIsLeft()
  })

  test.each([
    ['while it starts', /9 documents/],
    ['while questions are asked', /asked: /],
  ])('Ctrl-C %s stops everything that was started', async (_, at) => {
    const { child, ended, output } = run(set)
    while (!at.test(output()) || leftBehind().length < 3) {
      expect(child.exitCode, output()).toBeNull()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    child.kill('SIGINT')
    expect(await ended, output()).toBe(130)
    expect(output()).toContain('Stopped. Nothing is left.')
    nothingIsLeft()
  })

  test('killed, it leaves no process behind', async () => {
    const { child, ended, output } = run(set)
    while (!output().includes('searchable: ')) {
      expect(child.exitCode, output()).toBeNull()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    child.kill('SIGKILL')
    await ended
    await expect.poll(leftBehind, { timeout: 100_000, interval: 200 }).toEqual([])
  })

  test('asks the golden questions of a collection in a Terrace that runs', async () => {
    await using product = await startProduct({ env: { MODEL_DIR } })
    await using web = await webServerOf(product)
    const token = 'test-setup-token-0123456789'
    const ada = { email: 'ada@example.org', password: 'correct horse battery' }
    await product.anonymous.api.setup.createOwner.mutate({ token, name: 'Ada', ...ada })
    const response = await product.anonymous.fetch('/auth/sign-in/email', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    })
    const { api, fetch: send } = client(product.url, product.config, cookieOf(response))
    const { id } = await api.collections.create.mutate({ name: 'Notes' })
    const golden = () => run('--collection', id, '--url', web.url)
    const withAccount = { TERRACE_EMAIL: ada.email, TERRACE_PASSWORD: ada.password }
    Object.assign(account, withAccount)
    const none = golden()
    expect([await none.ended, none.output()]).toEqual([1, expect.stringContaining('no golden questions yet')])
    for (const [i, [text]] of ANSWERS.entries())
      await send(`/files?${new URLSearchParams({ collection: id, name: `${i}.txt` })}`, {
        method: 'PUT',
        body: text,
      })
    const search = (query: string) => api.search.passages.query({ query, collectionIds: [id] })
    await expect
      .poll(
        async () => (await search('notes')).passages.filter(({ withoutVector }) => !withoutVector).length,
        {
          timeout: 60_000,
        },
      )
      .toBe(ANSWERS.length)
    const { passages } = await search('notes')
    for (const [text, , question] of ANSWERS) {
      const passageId = passages.find((passage) => passage.text.includes(text))?.passageId ?? 0
      await api.goldenQuestions.add.mutate({ collectionId: id, question, passageId })
    }
    const asked = golden()
    expect(await asked.ended, asked.output()).toBe(0)
    expect(asked.output()).toContain('Notes: 6 documents, 6 golden questions')
    expect(asked.output()).toMatch(/nDCG@10 +0\.000 .* 1\.000 |nDCG@10 .*0\.[89]/)
    Object.assign(account, { TERRACE_PASSWORD: 'wrong wrong wrong' })
    const refused = golden()
    expect([await refused.ended, refused.output()]).toEqual([1, expect.stringContaining('password is wrong')])
    nothingIsLeft()
  })

  test('says what is wrong with a set before anything is started', async () => {
    writeFileSync(path.join(set, 'qrels/test.tsv'), 'query-id\tcorpus-id\tscore\nown0\tnowhere\t1\n')
    const { ended, output } = run(set)
    expect(await ended).toBe(1)
    expect(output().trim()).toBe(`${set}/qrels/test.tsv:2: there is no document "nowhere" in the corpus`)
    nothingIsLeft()
  })
})
