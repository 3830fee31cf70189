// An owner changes the search model, and the passages, while the product runs: with the real local model and a scripted
// endpoint.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ScriptedEmbeddings, startScriptedEmbeddings } from '../api/test/scripted-embeddings.ts'
import { accessibilityFaults } from './chat/accessibility.ts'
import { markInView, words } from './chat/chat-page.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, type Session } from './harness/people.ts'
import { sampleCollection } from './harness/samples.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

interface Hit {
  documentId: string
  versionId: string
  readingId: number
  page: number
  charStart: number
  charEnd: number
}

describe.skipIf(!hasChromium)('the search model', () => {
  let terrace: RunningTerrace
  let endpoint: ScriptedEmbeddings
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let owner: Session
  const faults: string[] = []

  beforeAll(async () => {
    endpoint = await startScriptedEmbeddings()
    const EMBEDDERS = JSON.stringify([
      { id: 'local', type: 'local' },
      {
        ...{ id: 'far', name: 'A scripted model', type: 'openai-compatible', url: endpoint.url },
        ...{ model: 'scripted', dimensions: 64, batch: 4 },
      },
    ])
    terrace = await startTerrace({ env: { EMBEDDERS } })
    browser = await launchBrowser()
    owner = await createOwner(terrace)
    await sampleCollection(owner)
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    await context.addCookies([...owner.cookies])
    page = await context.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
    await endpoint?.close()
    expect(faults).toEqual([])
  })

  /** In light, dark and at a phone's width. */
  async function expectAccessible(): Promise<void> {
    for (const [scheme, width] of [
      ['light', 1280],
      ['dark', 1280],
      ['light', 360],
    ] as const) {
      await page.emulateMedia({ colorScheme: scheme })
      await page.setViewportSize({ width, height: 800 })
      expect.soft(await accessibilityFaults(page), `${scheme}, ${width}`).toEqual([])
      expect
        .soft(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${width}`)
        .toBe(true)
    }
    await page.emulateMedia({ colorScheme: 'light' })
    await page.setViewportSize({ width: 1280, height: 800 })
  }

  const row = (name: string) => page.getByRole('listitem').filter({ hasText: name })
  const search = () =>
    owner.query<{ mode: string; passages: Hit[] }>('search.passages', { query: 'who may see a collection' })
  const mode = async () => (await search()).mode
  const firstHit = async (): Promise<Hit> => {
    const [hit] = (await search()).passages
    if (hit === undefined) throw new Error('nothing was found')
    return hit
  }

  /** What is marked on the page that is open is what was found, word for word. */
  async function expectMarked({
    documentId: id,
    versionId,
    readingId,
    page: number,
    charStart,
    charEnd,
  }: Hit) {
    await page.locator('mark[data-passage-mark]').first().waitFor()
    expect(await markInView(page)).toBe(true)
    const place = { id, versionId, readingId, number }
    const { text } = await owner.query<{ text: string }>('documents.page', place)
    const marked = await page.locator('mark[data-passage-mark]').allInnerTexts()
    expect(words(marked.join(''))).toBe(words(text.slice(charStart, charEnd)))
  }

  test('a build is asked for, stands still with a reason, and goes on by itself', async () => {
    endpoint.script({ error: 429, retryAfter: '1' })
    await page.goto(`${terrace.url}/collections`)
    await page.getByRole('link', { name: 'Search model' }).click()
    await page.getByRole('heading', { level: 1, name: 'Search model' }).waitFor()
    await row('bge-small-en-v1.5').getByText('In use').waitFor()
    await expectAccessible()
    // By the keyboard: the question that comes first says where the texts go.
    await page.getByRole('button', { name: 'Build A scripted model' }).focus()
    await page.keyboard.press('Enter')
    await page
      .getByRole('dialog')
      .getByText(/every passage is sent to 127\.0\.0\.1/)
      .waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('dialog').getByRole('button', { name: 'Build' }).click()
    await row('A scripted model').getByText('Paused').waitFor({ timeout: 30_000 })
    await row('A scripted model').getByText('The search model is busy.').waitFor()
    await expectAccessible()
    endpoint.script({ delay: 1_500 })
    await row('A scripted model').getByText('Being built').waitFor({ timeout: 30_000 })
    await row('A scripted model').getByRole('progressbar').waitFor()
    await expectAccessible()
    endpoint.script({})
    await row('A scripted model').getByText('Ready', { exact: true }).waitFor({ timeout: 60_000 })
    await expectAccessible()
    expect(await mode()).toBe('words+meaning')
  })

  test('a click switches, another goes back, and what is not wanted any more is removed', async () => {
    const asked = endpoint.requests.length
    await page.getByRole('button', { name: 'Switch to A scripted model' }).click()
    await row('A scripted model').getByText('In use').waitFor({ timeout: 30_000 })
    await row('bge-small-en-v1.5').getByText('Used before').waitFor()
    await vi.waitFor(
      async () => {
        expect(await mode()).toBe('words+meaning')
        expect(endpoint.requests.slice(asked).some(({ input }) => /who may see/.test(input.join()))).toBe(
          true,
        )
      },
      { timeout: 30_000, interval: 200 },
    )
    await page.reload()
    await row('bge-small-en-v1.5').getByText('kept complete').waitFor({ timeout: 30_000 })
    await expectAccessible()
    await page.getByRole('button', { name: 'Go back to bge-small-en-v1.5' }).click()
    await row('bge-small-en-v1.5').getByText('In use').waitFor({ timeout: 30_000 })
    await page.getByRole('button', { name: 'Remove A scripted model' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('button', { name: 'Build A scripted model' }).waitFor({ timeout: 60_000 })
    expect(await mode()).toBe('words+meaning')
  })

  test('documents are read anew in shorter passages, sources open in the reading they are of, and back is a click', async () => {
    const old = await firstHit()
    await page.goto(`${terrace.url}/search-model`)
    await page.getByRole('button', { name: 'Read documents anew…' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    const length = (name: string) => dialog.getByRole('radio', { name })
    await dialog.getByText('Nothing changes for readers until you switch, and back is one click.').waitFor()
    expect(await length('Standard').isDisabled()).toBe(true)
    await dialog.getByText('In use now.').waitFor()
    // By the keyboard, from the first that can be chosen, and over the one that can't.
    expect(await length('Short').isChecked()).toBe(true)
    await page.keyboard.press('ArrowDown')
    expect(await length('Long').isChecked()).toBe(true)
    await page.keyboard.press('ArrowUp')
    expect(await length('Short').isChecked()).toBe(true)
    await dialog.getByText('All documents are read again in the background').waitFor()
    await expectAccessible()
    await dialog.getByRole('button', { name: 'Read anew' }).click()
    await page.getByText('bge-small-en-v1.5, short passages (about 120 tokens) is being built.').waitFor()
    await row('short passages').getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 })
    await row('standard passages').getByText('In use').waitFor()
    expect((await firstHit()).readingId).toBe(old.readingId)
    await expectAccessible()

    await page.getByRole('button', { name: 'Switch to bge-small-en-v1.5, short passages' }).click()
    await row('short passages').getByText('In use').waitFor({ timeout: 30_000 })
    await row('standard passages').getByText('Used before').waitFor()
    const searchedAnew = { timeout: 30_000, interval: 200 }
    await vi.waitFor(async () => expect((await firstHit()).readingId).not.toBe(old.readingId), searchedAnew)
    expect(await mode()).toBe('words+meaning')
    await row('standard passages').getByText('kept complete').waitFor({ timeout: 30_000 })
    await expectAccessible()

    const hit = await firstHit()
    await page.goto(`${terrace.url}/search?${new URLSearchParams({ q: 'who may see a collection' })}`)
    const listed = page.waitForRequest((request) => request.url().includes('documents.pages'))
    await page.locator('[data-passage]').first().click()
    const request = await listed
    expect(decodeURIComponent(request.url()) + (request.postData() ?? '')).toContain(
      `"readingId":${hit.readingId}`,
    )
    await expectMarked(hit)
    await page.getByRole('link', { name: 'Open the document’s page' }).click()
    await page.waitForURL(new RegExp(`[?&]reading=${hit.readingId}&`))
    await expectMarked(hit)
    // A link from before the switch shows what it showed then.
    const addressOf = ({ documentId, versionId, readingId, page: number, charStart, charEnd }: Hit) =>
      `${terrace.url}/documents/${documentId}?version=${versionId}&reading=${readingId}&page=${number}&start=${charStart}&end=${charEnd}`
    await page.goto(addressOf(old))
    await expectMarked(old)
    // The reading is removed after its pages were listed: what searches see now is shown instead.
    let removed = false
    await page.route(/documents\.pages?[,?]/, async (route) => {
      const asked = route.request().url()
      const isText = !asked.includes('documents.pages')
      const reading = (id: number) => encodeURIComponent(`"readingId":${id}`)
      removed ||= isText
      await route.continue({
        url: removed ? asked.replaceAll(reading(old.readingId), reading(hit.readingId)) : asked,
      })
    })
    await page.goto(addressOf(old))
    await page.getByText('This document was read anew since this link was made').waitFor()
    const { text: anew } = await owner.query<{ text: string }>('documents.page', {
      ...{ id: old.documentId, versionId: old.versionId, readingId: hit.readingId, number: old.page },
    })
    const shownText = () => page.getByRole('article', { name: `Page ${old.page} of` }).innerText()
    await expect.poll(async () => words(await shownText())).toContain(words(anew))
    expect(removed).toBe(true)
    await page.unroute(/documents\.pages?[,?]/)
    // One into a reading that is not kept is only its page.
    await page.goto(addressOf({ ...old, readingId: 1_000 }))
    await page.getByText('This document was read anew since this link was made').waitFor()
    await page.getByRole('article', { name: `Page ${old.page} of` }).waitFor()
    expect(await page.locator('mark[data-passage-mark]').count()).toBe(0)
    expect(await accessibilityFaults(page)).toEqual([])

    await page.goto(`${terrace.url}/search-model`)
    await page.getByRole('button', { name: 'Go back to bge-small-en-v1.5, standard passages' }).click()
    await row('standard passages').getByText('In use').waitFor({ timeout: 30_000 })
    await vi.waitFor(async () => expect((await firstHit()).readingId).toBe(old.readingId), searchedAnew)
    await page.getByRole('button', { name: 'Remove bge-small-en-v1.5, short passages' }).click()
    await dialog.getByRole('button', { name: 'Remove' }).click()
    await page.getByText('bge-small-en-v1.5, short passages (about 120 tokens) is being removed.').waitFor()
    await row('short passages').waitFor({ state: 'detached', timeout: 60_000 })
    expect(await mode()).toBe('words+meaning')
  })

  test('a newer parser: the row says what reading anew is good for, also in passages as long', async () => {
    const path = /api\/trpc\/[^?]*generations\.list/
    await page.route(path, async (route) => {
      const response = await route.fetch()
      const body = (await response.text()).replace(
        /("passageTokens":\[[^\]]*\],"parser":)1\b/,
        (_, before) => `${before}2`,
      )
      await route.fulfill({ response, body })
    })
    await page.reload()
    await row('bge-small-en-v1.5').getByText('read by an older version of Terrace').waitFor()
    await row('bge-small-en-v1.5').getByText('reads files better').waitFor()
    await page.getByRole('button', { name: 'Read documents anew…' }).click()
    const standard = page.getByRole('dialog').getByRole('radio', { name: 'Standard' })
    expect(await standard.isChecked()).toBe(true)
    await expectAccessible()
    await page.keyboard.press('Escape')
    await page.unroute(path)
  })

  test('a model that can not be used any more is said, and what can be done', async () => {
    await page.route(/api\/trpc\/[^?]*generations\.list/, async (route) => {
      const response = await route.fetch()
      const body = (await response.text()).replace(/"embedderId":"local"/, '"embedderId":null')
      await route.fulfill({ response, body })
    })
    await page.reload()
    await page.getByText('searches go by words only').waitFor()
    await expectAccessible()
  })
})
