// Answers straight from the model endpoint to the page, in a real browser and with the real endpoint: that no word of them
// passes through the API, and what becomes of them when the page, the network or the endpoint does not play along.
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../local/postgres.ts'
import { accessibilityFaults } from './chat/accessibility.ts'
import { ask, openStreams, textOf, untilState, words } from './chat/chat-page.ts'
import { type EndpointForPages, startEndpointForPages } from './chat/model-endpoint.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, type Session } from './harness/people.ts'
import { sampleCollection } from './harness/samples.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

const QUESTION = 'Which files can be read?'
const TEXT = 'Terrace reads PDF and DOCX [1], and plain text [2]. There is no passage 77 [77].'

interface Stored {
  readonly text: string
  readonly citations: readonly unknown[]
  readonly attempt: { readonly state: string; readonly unverified: boolean; readonly number: number }
}

describe.skipIf(!hasChromium)('answers straight from the model endpoint', () => {
  let endpoint: EndpointForPages
  let terrace: RunningTerrace
  let browser: Browser
  let owner: Session
  let collectionId = ''
  let context: BrowserContext
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    const webPort = await freePort()
    endpoint = await startEndpointForPages(
      {
        quick: `scripted?delay=500&rate=25&text=${TEXT}`,
        slow: `scripted?rate=10&tokens=150&text=${TEXT} `,
        dying: `scripted?rate=25&die=9&text=${TEXT}`,
        busy: 'scripted?error=429&code=3040',
      },
      `http://localhost:${webPort}`,
    )
    terrace = await startTerrace({ env: endpoint.env, webPort })
    browser = await launchBrowser()
    owner = await createOwner(terrace)
    collectionId = (await sampleCollection(owner)).id
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    await context.addCookies([...owner.cookies])
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
    await endpoint?.[Symbol.asyncDispose]()
    expect(faults).toEqual([])
  })
  beforeEach(async () => {
    // What a page remembers of an endpoint that it could not reach ends with the page.
    await page?.close()
    page = await context.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
    Object.assign(endpoint.network, { cors: true, receipts: true })
  })

  async function openChat(model: string): Promise<string> {
    const { id } = await owner.mutate<{ id: string }>('chats.create', {
      collectionIds: [collectionId],
      model,
    })
    // Before it knows what a model's server lets a page do, the page leaves the answer to the API.
    const listed = page.waitForResponse((response) => response.url().includes('models.list'))
    await page.goto(`${terrace.url}/chats/${id}`)
    await listed
    await page.getByLabel(`Answers by: ${model}`).waitFor()
    return id
  }

  async function stored(chatId: string): Promise<Stored> {
    const { messages } = await owner.query<{ messages: Stored[] }>('chats.get', { id: chatId })
    const last = messages.at(-1)
    if (last === undefined) throw new Error('no answer')
    return last
  }

  /** How many answers the model was asked for, by pages and in all. */
  const count = () => [endpoint.asked.length, endpoint.requests.length] as const

  const note = (answer: Locator, path: string) => answer.locator(`[data-answer-path=${path}]`)
  const mark = (answer: Locator) => answer.getByRole('button', { name: 'Not verified' })

  test('the browser asks, the answer streams past the API, and is kept with its citations, checked', async () => {
    const [pages, all] = count()
    const streams = openStreams(page)
    await page.goto(`${terrace.url}/chats/new`)
    await page.getByLabel('Answers by: quick').waitFor()
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    expect(await note(answer, 'direct').innerText()).toMatch(/^Straight from the model/)
    expect(streams()).toBe(0)
    await page.waitForURL(/\/chats\/[0-9a-f-]{36}$/)
    await untilState(answer, 'done')
    expect(endpoint.asked.slice(pages)).toEqual([{ origin: terrace.url }])
    expect(count()).toEqual([pages + 1, all + 1])
    const kept = await stored(page.url().split('/').at(-1) ?? '')
    expect(kept.attempt).toMatchObject({ state: 'done', unverified: false, number: 1 })
    expect(kept.text).toBe('Terrace reads PDF and DOCX [1], and plain text [2]. There is no passage 77.')
    expect(words(await textOf(answer))).toBe(words(kept.text))
    expect([await note(answer, 'direct').count(), await mark(answer).count()]).toEqual([0, 0])
    await answer.locator('[data-citation="1"]').first().click()
    await page.locator('mark[data-passage-mark]').first().waitFor()
    // What was checked is read to the model with the next question.
    await untilState(await ask(page, 'And which of them are plain?'), 'done')
    expect(JSON.stringify(endpoint.requests.at(-1)?.input.messages)).toContain('Terrace reads PDF and DOCX')
  })

  test('whoever goes elsewhere in Terrace and comes back finds the answer further along', async () => {
    const chatId = await openChat('slow')
    const [pages, all] = count()
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    const before = await textOf(answer)
    await page.getByRole('link', { name: 'Collections' }).first().click()
    await page.getByRole('heading', { name: 'Collections', level: 1 }).waitFor()
    const saved = async () => (await stored(chatId)).text.length
    const atFirst = await saved()
    await expect.poll(saved).toBeGreaterThan(atFirst)
    await page.goBack()
    await untilState(answer, 'streaming')
    await expect.poll(async () => (await textOf(answer)).length).toBeGreaterThan(before.length)
    await note(answer, 'direct').waitFor()
    await untilState(answer, 'done')
    expect((await stored(chatId)).attempt).toMatchObject({ unverified: false, number: 1 })
    expect(count()).toEqual([pages + 1, all + 1])
  })

  test('another tab follows it, and stops it', async () => {
    const chatId = await openChat('slow')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    const other = await context.newPage()
    await other.goto(`${terrace.url}/chats/${chatId}`)
    const there = other.locator('[data-answer]').last()
    await untilState(there, 'streaming')
    await expect.poll(() => textOf(there)).toMatch(/^Terrace reads/)
    expect(await other.locator('[data-answer-path]').count()).toBe(0)
    await other.getByRole('button', { name: 'Stop answering' }).click()
    await untilState(answer, 'stopped')
    await untilState(there, 'stopped')
    await expect.poll(() => endpoint.requests.at(-1)?.abortedAt).not.toBeNull()
    await other.close()
  })

  test('stopping ends the model’s work, keeps the text and says that nobody has checked it', async () => {
    const chatId = await openChat('slow')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    await expect.poll(() => textOf(answer)).toMatch(/plain text/)
    await page.getByRole('button', { name: 'Stop answering' }).click()
    await untilState(answer, 'stopped')
    await answer.getByText('Stopped. What had arrived is kept.').first().waitFor()
    await expect.poll(() => endpoint.requests.at(-1)?.abortedAt).not.toBeNull()
    expect(endpoint.requests.at(-1)?.sent).toBeLessThan(150)
    await expect
      .poll(async () => (await stored(chatId)).attempt)
      .toMatchObject({ state: 'stopped', unverified: true })
    await mark(answer).waitFor()
    const kept = await stored(chatId)
    await expect.poll(async () => words(await textOf(answer))).toBe(words(kept.text))
    await page.getByRole('button', { name: 'Send the question' }).waitFor()
  })

  test('a page that is reloaded in the middle leaves an interrupted answer, and what had arrived of it', async () => {
    const chatId = await openChat('slow')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'streaming')
    await expect.poll(() => textOf(answer)).toMatch(/plain text/)
    // Twice a second is told what is shown.
    await expect.poll(async () => (await stored(chatId)).text).toMatch(/plain text/)
    await page.reload()
    await untilState(answer, 'interrupted')
    const kept = await stored(chatId)
    expect(kept.attempt).toMatchObject({ state: 'interrupted', unverified: true, number: 1 })
    expect(kept.text).toMatch(/^Terrace reads .*plain text/)
    await mark(answer).waitFor()
    await answer.getByRole('button', { name: 'Try again' }).click()
    await untilState(answer, 'streaming')
    await note(answer, 'direct').waitFor()
    await page.getByRole('button', { name: 'Stop answering' }).click()
    await untilState(answer, 'stopped')
  })

  test('a model that dies leaves its words, a code, and a way on', async () => {
    await openChat('dying')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'failed')
    expect(await textOf(answer)).toMatch(/^Terrace reads/)
    await answer.getByText(/^Code MODEL_/).waitFor()
  })

  test('where CORS forbids it the server passes the answer on, and the next one at once', async () => {
    endpoint.network.cors = false
    const chatId = await openChat('slow')
    const [pages, all] = count()
    const answer = await ask(page, QUESTION)
    await note(answer, 'fallback').waitFor()
    await untilState(answer, 'streaming')
    // This one may be left: it goes on.
    await page.reload()
    await untilState(answer, 'streaming')
    await untilState(answer, 'done')
    expect((await stored(chatId)).attempt).toMatchObject({ unverified: false, number: 1 })
    // The browser had no leave to ask, so only the API did.
    expect(count()).toEqual([pages, all + 1])
    const next = await ask(page, QUESTION)
    await note(next, 'fallback').waitFor()
    await page.getByRole('button', { name: 'Stop answering' }).click()
    await untilState(next, 'stopped')
    const third = await ask(page, QUESTION)
    await untilState(third, 'streaming')
    expect(await page.locator('[data-answer-path]').count()).toBe(0)
    await page.getByRole('button', { name: 'Stop answering' }).click()
    await untilState(third, 'stopped')
    expect(await mark(third).count()).toBe(0)
  })

  test('an endpoint that refuses is the server’s to deal with', async () => {
    await openChat('busy')
    const [pages, all] = count()
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'failed')
    await answer.getByText('Code MODEL_BUSY').waitFor()
    expect(count()).toEqual([pages + 1, all + 2])
  })

  test('an answer whose receipt got lost is marked, explained, and asked for again where it needs none', async () => {
    endpoint.network.receipts = false
    const chatId = await openChat('quick')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'done')
    expect((await stored(chatId)).attempt).toMatchObject({ state: 'done', unverified: true })
    const sentence = /came without a receipt .* Ask again for an answer that is checked/
    await mark(answer).hover()
    await page.locator('[popover]:popover-open').filter({ hasText: sentence }).waitFor()
    await mark(answer).click()
    await page.getByRole('dialog', { name: 'Not verified' }).filter({ hasText: sentence }).waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await accessibilityFaults(page)).toEqual([])
    }
    await page.keyboard.press('Escape')
    // What nobody has checked is not read to the model.
    await untilState(await ask(page, 'And which of them are plain?'), 'done')
    expect(JSON.stringify(endpoint.requests.at(-1)?.input.messages)).not.toContain('Terrace reads PDF')

    const [pages] = count()
    const last = page.locator('[data-answer]').last()
    await last.getByRole('button', { name: 'Answer again' }).click()
    await untilState(last, 'streaming')
    await untilState(last, 'done')
    expect((await stored(chatId)).attempt).toMatchObject({ unverified: false, number: 2 })
    expect(await mark(last).count()).toBe(0)
    expect(endpoint.asked.length).toBe(pages)
  })
})
