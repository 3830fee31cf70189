// An owner changes the search model while the product runs: with the real local one and a scripted endpoint.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ScriptedEmbeddings, startScriptedEmbeddings } from '../api/test/scripted-embeddings.ts'
import { accessibilityFaults } from './chat/accessibility.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, type Session } from './harness/people.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

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
    const { id } = await owner.mutate<{ id: string }>('collections.create', { name: 'Samples' })
    await owner.mutate('collections.addSamples', { id })
    await vi.waitFor(
      async () => {
        const { items } = await owner.query<{ items: { version: { stage: string } }[] }>('documents.list', {
          collectionId: id,
        })
        expect(items.length).toBeGreaterThan(3)
        expect(items.every(({ version }) => version.stage === 'searchable')).toBe(true)
      },
      { timeout: 150_000, interval: 500 },
    )
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    await context.addCookies(
      owner.cookie.split('; ').map((pair) => {
        const at = pair.indexOf('=')
        return { name: pair.slice(0, at), value: pair.slice(at + 1), url: terrace.url }
      }),
    )
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
  const mode = async () =>
    (await owner.query<{ mode: string }>('search.passages', { query: 'who may see a collection' })).mode

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
