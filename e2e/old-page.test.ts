// A page that is older than its server's files: a part of it that is fetched late is gone (404). It loads itself again once, what
// was typed is there; and when that does not help, the page says that it broke.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { accessibilityFaults } from './chat/accessibility.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, type Session } from './harness/people.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

/** What only the parts that are fetched late say. */
const SCOPE = '("chat.scopeEmpty")'
const SHARE = '("share.hint")'
const RELOADED = 'has been loaded again'

describe.skipIf(!hasChromium)('a page whose part is gone', () => {
  let terrace: RunningTerrace
  let browser: Browser
  let owner: Session
  let context: BrowserContext
  let page: Page
  let loads = 0
  let asked = 0
  /** Answers 404 to a part until the page is loaded once more than so often. Next asks once more by itself before it gives a part up. */
  let gone = { part: '', loads: 0 }

  beforeAll(async () => {
    terrace = await startTerrace()
    owner = await createOwner(terrace)
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    await context.addCookies([...owner.cookies])
    page = await context.newPage()
    loads = 0
    asked = 0
    page.on('request', (request) => {
      if (request.isNavigationRequest() && request.frame() === page.mainFrame()) loads++
    })
    await page.route('**/_next/static/**/*.js', async (route) => {
      // What Next fetches ahead for other pages is used by none of these.
      if (loads > gone.loads || 'sec-purpose' in route.request().headers()) return route.continue()
      const response = await route.fetch()
      if (!(await response.text()).includes(gone.part)) return route.fulfill({ response })
      asked++
      return route.fulfill({ status: 404, body: 'gone' })
    })
  })
  afterEach(async () => {
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await context.close()
  })

  const openScope = () => page.getByRole('button', { name: /^What to ask/ }).click()
  const composer = () => page.getByLabel('Your question')
  const broken = () => page.getByRole('heading', { name: 'Something broke on this page' })
  async function openNewChat(): Promise<void> {
    await page.goto(`${terrace.url}/chats/new`)
    await composer().waitFor()
  }

  test('once: it is loaded again by itself and says so, what was typed is there, and the part comes', async () => {
    gone = { part: SCOPE, loads: 1 }
    await openNewChat()
    await composer().fill('words that nobody has sent')
    await openScope()
    await page.getByText(RELOADED).waitFor()
    expect(asked).toBe(2)
    expect(loads).toBe(2)
    await expect.poll(() => composer().inputValue()).toBe('words that nobody has sent')
    await openScope()
    await page.getByRole('dialog').waitFor()
    expect(await broken().count()).toBe(0)
    expect(loads).toBe(2)
  })

  test('for ever: it is loaded again once, and the next time says that it broke, with a button', async () => {
    gone = { part: SCOPE, loads: Number.POSITIVE_INFINITY }
    await openNewChat()
    await composer().fill('words that nobody has sent')
    await openScope()
    await page.getByText(RELOADED).waitFor()
    await openScope()
    await broken().waitFor()
    expect(loads).toBe(2)
    expect(await accessibilityFaults(page)).toEqual([])
    gone = { part: '', loads: 0 }
    await page.getByRole('button', { name: 'Load again' }).click()
    await expect.poll(() => composer().inputValue()).toBe('words that nobody has sent')
    expect(loads).toBe(3)
  })

  test('no server to load it from: it stays, and says that it broke', async () => {
    gone = { part: SCOPE, loads: 1 }
    await openNewChat()
    await page.route('**/healthz', (route) => route.abort())
    await openScope()
    await broken().waitFor()
    expect(loads).toBe(1)
  })

  test('while a file is on its way: it waits for it, and says so', async () => {
    const collection = await owner.mutate<{ id: string }>('collections.create', { name: 'Swallows' })
    gone = { part: SHARE, loads: 1 }
    await page.goto(`${terrace.url}/collections/${collection.id}`)
    const released = Promise.withResolvers<void>()
    await page.route('**/api/files**', async (route) => {
      await released.promise
      await route.continue()
    })
    const file = {
      name: 'swallow.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('Eleven metres a second.'),
    }
    await page.locator('input[type=file]').first().setInputFiles(file)
    await page.getByText('swallow.txt').waitFor()
    await page.getByRole('button', { name: 'More about this collection' }).click()
    await page.getByRole('menuitem', { name: 'Share' }).click()
    await page.getByText('once what is on its way has arrived').waitFor()
    expect(loads).toBe(1)
    released.resolve()
    await page.getByText(RELOADED).waitFor()
    expect(loads).toBe(2)
    const { items } = await owner.query<{ items: { name: string }[] }>('documents.list', {
      collectionId: collection.id,
    })
    expect(items.map(({ name }) => name)).toEqual(['swallow.txt'])
  })
})
