// Searching, reading a document at a place, and keeping chats in order, in a real browser, by mouse and by keyboard.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessibilityFaults } from './chat/accessibility.ts'
import { ask, markInView, untilState } from './chat/chat-page.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, type Session } from './harness/people.ts'
import { type SampleDocument, sampleCollection } from './harness/samples.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

describe.skipIf(!hasChromium)('searching and reading', () => {
  let terrace: RunningTerrace
  let browser: Browser
  let page: Page
  let owner: Session
  let collectionId: string
  let documents: readonly SampleDocument[] = []
  const faults: string[] = []

  beforeAll(async () => {
    terrace = await startTerrace()
    owner = await createOwner(terrace)
    const samples = await sampleCollection(owner, 'About Terrace')
    collectionId = samples.id
    documents = samples.documents
    browser = await launchBrowser()
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    await context.addCookies([...owner.cookies])
    page = await context.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('request', (request) => {
      const { protocol, origin } = new URL(request.url())
      if (/^http/.test(protocol) && origin !== terrace.url) faults.push(`a request to ${origin}`)
    })
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
    expect(faults).toEqual([])
  })

  const focused = () =>
    page.evaluate<string | null>('document.activeElement?.getAttribute("aria-label") ?? null')

  test('"/" leads to the search; passages come with their scores and open at their place', async () => {
    await page.goto(`${terrace.url}/collections`)
    await page.goto(`${terrace.url}/chats/new`)
    await page.getByLabel('Your question').waitFor()
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press('/')
    await page.waitForURL(/\/search$/)
    await page.waitForFunction(
      'document.activeElement?.getAttribute("aria-label") === "Search your documents"',
    )
    await page.keyboard.type('who may see a collection')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/search\?q=who\+may\+see\+a\+collection$/)
    const first = page.locator('[data-passage]').first()
    await first.waitFor()
    for (const score of ['Meaning', 'Words', 'Together'])
      await page.getByRole('term').filter({ hasText: score }).first().waitFor()
    expect(await accessibilityFaults(page)).toEqual([])

    await first.focus()
    await page.keyboard.press('Enter')
    await page.locator('mark[data-passage-mark]').first().waitFor()
    expect(await markInView(page)).toBe(true)
    expect(await accessibilityFaults(page)).toEqual([])
    await page.keyboard.press('Escape')
    expect(await page.evaluate('document.activeElement.dataset.passage')).toBe(
      await first.getAttribute('data-passage'),
    )
  })

  test('a search stands in its address: back, forward and reload find it again', async () => {
    await page.getByLabel('Search your documents').fill('citations')
    await page.getByRole('button', { name: 'Search', exact: true }).click()
    await page.waitForURL(/q=citations/)
    // The address changes before the page does: going back in between, a busy machine's router ends where it was.
    await page
      .getByRole('article')
      .locator('mark', { hasText: /citation/i })
      .first()
      .waitFor()
    await page.goBack()
    await page.waitForURL(/q=who/)
    await expect
      .poll(() => page.getByLabel('Search your documents').inputValue(), { timeout: 15_000 })
      .toBe('who may see a collection')
    await page.reload()
    await page.locator('[data-passage]').first().waitFor()
  })

  test('the test bench: each method’s ranks, "this is the right one", and all golden questions asked again', async () => {
    await page.goto(`${terrace.url}/collections/${collectionId}`)
    await page.getByRole('button', { name: 'More about this collection' }).click()
    await page.getByRole('menuitem', { name: 'Test the search' }).click()
    await page.waitForURL(/\/test-bench$/)
    await page.getByText('No golden questions yet').waitFor()
    await page.getByLabel('Question to test').fill('who may see a collection')
    await page.keyboard.press('Enter')
    await page.waitForURL(/test-bench\?q=who/)
    const first = page.locator('[data-passage]').first()
    await first.waitFor()
    const terms = first.getByRole('term')
    expect(await terms.allInnerTexts()).toEqual(['Together', 'Words', 'Meaning'])
    expect(await first.getByRole('definition').first().innerText()).toMatch(/^rank 1 · \d\.\d\d$/)
    expect(await accessibilityFaults(page)).toEqual([])

    const place = /&reading=\d+&page=\d+&start=\d+&end=\d+$/
    expect(await first.getByRole('link').getAttribute('href')).toMatch(place)
    await first.getByRole('button', { name: /^This is the right one: / }).click()
    await first.getByText('Right', { exact: true }).waitFor()
    const golden = page.getByRole('region', { name: 'Golden questions' })
    expect(await golden.getByRole('listitem').getByRole('link').first().getAttribute('href')).toMatch(place)
    await page.getByRole('button', { name: 'Ask all of them now' }).click()
    await page.getByText('Over 1 question').waitFor()
    const row = page.getByRole('row').filter({ hasText: 'nDCG@10' })
    expect(await row.getByRole('cell').first().innerText()).toBe('1.000')
    expect(await accessibilityFaults(page)).toEqual([])

    await page.reload()
    await first.getByRole('button', { name: /^Not right after all: / }).click()
    await page.getByText('No golden questions yet').waitFor()
  })

  test('a source leads to the document’s own page, and that to asking only it', async () => {
    await page.goto(`${terrace.url}/search?q=citations`)
    await page.locator('[data-passage]').first().click()
    await page.getByRole('link', { name: 'Open the document’s page' }).click()
    await page.waitForURL(/\/documents\/[0-9a-f-]{36}\?version=.*&reading=\d+&page=\d+&start=\d+&end=\d+$/)
    await page.locator('mark[data-passage-mark]').first().waitFor()
    expect(await markInView(page)).toBe(true)
    expect(await accessibilityFaults(page)).toEqual([])
    const name = await page.getByRole('heading', { level: 1 }).innerText()
    const download = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download the original' }).click()
    expect((await download).suggestedFilename()).toMatch(/\.md$/)
    await page.getByRole('link', { name: 'Ask this document' }).click()
    await page.getByLabel(`What to ask: Only ${name}`).waitFor()
  })

  test('no language model: said plainly, with the way to one, and answered with quotes', async () => {
    await page.goto(`${terrace.url}/chats/new`)
    await page.getByText('No language model is connected').waitFor()
    await page.getByRole('button', { name: 'How to connect one' }).click()
    await page.getByRole('dialog', { name: 'Connect a language model' }).getByText('ollama run').waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.keyboard.press('Escape')
    const answer = await ask(page, 'Who may see a collection?')
    await untilState(answer, 'done')
    await answer.getByRole('heading', { name: 'Most relevant passages' }).waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await accessibilityFaults(page)).toEqual([])
    await page.emulateMedia({ colorScheme: 'light' })
  })

  test('what to ask is chosen by keyboard: a collection, then one of its documents', async () => {
    const picker = page.getByLabel(/^What to ask/)
    await picker.focus()
    await page.keyboard.press('Enter')
    const choices = page.getByRole('dialog', { name: 'Collections to ask' })
    await choices.getByRole('checkbox', { name: /About Terrace/ }).waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await choices.getByLabel('Choose one document of About Terrace').press('Enter')
    await page.getByLabel('Find a document').waitFor()
    await choices.locator('input:focus').waitFor()
    await page.keyboard.type('roles')
    const document = choices.getByRole('button', { name: /roles/ })
    await document.press('Enter')
    await page.getByLabel(/^What to ask: Only .*roles/).waitFor()
    expect(await focused()).toMatch(/^What to ask/)
    await picker.press('Enter')
    await choices.waitFor()
    await page.keyboard.press('Escape')
    await choices.waitFor({ state: 'hidden' })
    expect(await focused()).toMatch(/^What to ask/)
  })

  test('a chat is renamed and deleted from the list', async () => {
    const title = 'Who may see a collection?'
    const row = page.getByRole('listitem').filter({ has: page.getByRole('link', { name: title }) })
    await row.hover()
    await page.getByRole('button', { name: `Rename or delete ${title}` }).click()
    await page.getByRole('menuitem', { name: 'Rename' }).press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Rename the chat' })
    await dialog.getByLabel('Title').fill('Rights')
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'hidden' })
    await page.getByRole('heading', { level: 1, name: 'Rights' }).waitFor()
    await page.getByRole('button', { name: 'Rename or delete Rights' }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete the chat' }).click()
    await page.waitForURL(/\/chats\/new$/)
    await page.getByRole('link', { name: 'Rights' }).waitFor({ state: 'detached' })
  })

  test('addresses of what is not there say so and lead on', async () => {
    const nothing = '00000000-0000-4000-8000-000000000000'
    await page.goto(`${terrace.url}/chats/${nothing}`)
    await page.getByRole('link', { name: 'Start a new chat' }).waitFor()
    await page.goto(`${terrace.url}/documents/${nothing}`)
    await page.getByRole('link', { name: 'Go to the collections' }).waitFor()
    const [document] = documents
    await page.goto(`${terrace.url}/documents/${document?.id}?version=${nothing}&page=2`)
    await page.getByText('This source is no longer available').waitFor()
    await page.goto(`${terrace.url}/documents/${document?.id}?page=999&start=x`)
    await page.locator('[data-page]').first().waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
  })
})
