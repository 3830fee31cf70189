// Every page in its states, in both themes and at a phone's width: axe finds nothing, nothing is wider than the
// screen, everything can be reached by the keyboard, and the script that was loaded stays within its budget.

import { gzipSync } from 'node:zlib'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, OWNER, type Session } from './harness/people.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
} as const
type Look = keyof typeof LOOKS

interface State {
  readonly name: string
  /** Brings the page there; `page` is signed in as the owner unless `guest`. */
  readonly go: (page: Page) => Promise<unknown>
  readonly guest?: boolean
}

describe.skipIf(!hasChromium)('every page and state', () => {
  let terrace: RunningTerrace
  let browser: Browser
  let owner: Session
  let full = ''
  let empty = ''
  let chat = ''
  let documentId = ''
  let invitation = ''

  beforeAll(async () => {
    terrace = await startTerrace()
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
  })

  const open = async (look: Look, session?: Session): Promise<{ context: BrowserContext; page: Page }> => {
    const context = await browser.newContext(LOOKS[look])
    await context.addCookies([...(session?.cookies ?? [])])
    return { context, page: await context.newPage() }
  }

  async function expectAccessible(page: Page, where: string): Promise<void> {
    // What moves in is half transparent for a moment.
    await page.evaluate(
      'Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished))',
    )
    const { violations } = await new AxeBuilder({ page })
      .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
      .analyze()
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`,
    )
    expect.soft(found, where).toEqual([])
    expect.soft(await page.title(), where).toMatch(/Terrace$/)
    expect
      .soft(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${where}: too wide`)
      .toBe(true)
    expect
      .soft(
        await page.evaluate(
          '[...document.querySelectorAll("main")].every((main) => main.scrollWidth <= main.clientWidth)',
        ),
        `${where}: main is too wide`,
      )
      .toBe(true)
  }

  test('set-up, before there is an owner', async () => {
    for (const look of Object.keys(LOOKS) as Look[]) {
      const { context, page } = await open(look)
      await page.goto(`${terrace.url}/sign-in`)
      await page.getByRole('heading', { name: 'This Terrace has no owner yet' }).waitFor()
      await expectAccessible(page, `no owner, ${look}`)
      await page.goto(`${terrace.url}/setup`)
      await page.getByRole('heading', { name: 'The set-up link is incomplete' }).waitFor()
      await expectAccessible(page, `set-up without token, ${look}`)
      await page.goto(terrace.setupLink ?? '')
      await page.getByRole('button', { name: 'Create the account' }).click()
      await page.getByText('Enter your name.').waitFor()
      await expectAccessible(page, `set-up with errors, ${look}`)
      await context.close()
    }
  })

  test('the first steps, and collections before there is one', async () => {
    owner = await createOwner(terrace)
    for (const look of Object.keys(LOOKS) as Look[]) {
      const { context, page } = await open(look, owner)
      await page.goto(terrace.url)
      await page.getByRole('heading', { name: 'Welcome to Terrace' }).waitFor()
      await expectAccessible(page, `first steps, ${look}`)
      await page.goto(`${terrace.url}/collections`)
      await page.getByRole('heading', { name: 'No collections yet' }).waitFor()
      await expectAccessible(page, `no collections, ${look}`)
      await page.goto(`${terrace.url}/chats/new`)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await expectAccessible(page, `chat without documents, ${look}`)
      await context.close()
    }
  })

  test('with sample documents: they become searchable', async () => {
    const create = async (name: string) =>
      (await owner.mutate<{ id: string }>('collections.create', { name })).id
    full = await create('A collection with a name that is rather long, as people like to give them')
    empty = await create('Empty')
    await owner.mutate('collections.addSamples', { id: full })
    const put = (name: string, body: string) =>
      owner.fetch(`/api/files?${new URLSearchParams({ collection: full, name })}`, { method: 'PUT', body })
    await put(`${'a-file-name-without-any-place-to-break-it-'.repeat(4)}.txt`, 'something to read')
    await put('the same.txt', 'something to read')
    await put('broken.pdf', '%PDF-1.7 and nothing more')
    interface Items {
      items: { id: string; version: { stage: string; error: { code: string } | null } }[]
    }
    await vi.waitFor(
      async () => {
        const { items } = await owner.query<Items>('documents.list', { collectionId: full })
        expect(items.length).toBeGreaterThan(4)
        expect(items.filter(({ version }) => !/searchable|attention/.test(version.stage))).toEqual([])
        documentId = items.find(({ version }) => version.stage === 'searchable')?.id ?? ''
      },
      { timeout: 150_000, interval: 500 },
    )
    chat = (await owner.mutate<{ id: string }>('chats.create', { collectionIds: [full] })).id
    await owner.mutate('chats.ask', {
      chatId: chat,
      text: 'Who may upload documents?',
      requestId: crypto.randomUUID(),
    })
    await owner.mutate('people.invite', { email: 'someone.with.a.long.name@example.test', role: 'member' })
    invitation = (
      await owner.mutate<{ link: string }>('people.invite', { email: 'guest@example.test', role: 'member' })
    ).link
  })

  const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name }).first().waitFor()
  const openMenu = async (page: Page, item: string) => {
    await page.goto(`${terrace.url}/collections/${full}`)
    await page.getByRole('button', { name: 'More about this collection' }).click()
    await page.getByRole('menuitem', { name: item }).click()
    await page.getByRole('dialog').waitFor()
  }
  const STATES: readonly State[] = [
    { name: 'sign-in', guest: true, go: (page) => page.goto(`${terrace.url}/sign-in`) },
    {
      name: 'sign-in refused',
      guest: true,
      go: async (page) => {
        await page.goto(`${terrace.url}/sign-in`)
        await page.getByLabel('E-mail address').fill('nobody@example.test')
        await page.getByLabel('Password', { exact: true }).fill('not a password')
        await page.keyboard.press('Enter')
        await page.getByRole('alert').first().waitFor()
      },
    },
    { name: 'set-up that is done', guest: true, go: (page) => page.goto(`${terrace.url}/setup`) },
    { name: 'invitation', guest: true, go: (page) => page.goto(invitation) },
    {
      name: 'invitation that is gone',
      guest: true,
      go: (page) => page.goto(`${terrace.url}/invite/nothing`),
    },
    { name: 'nothing there', guest: true, go: (page) => page.goto(`${terrace.url}/no/such/page`) },
    { name: 'collections', go: (page) => page.goto(`${terrace.url}/collections`) },
    {
      name: 'new collection',
      go: async (page) => {
        await page.goto(`${terrace.url}/collections`)
        await page.getByRole('button', { name: 'New collection' }).click()
        await page.getByRole('button', { name: 'Create the collection' }).click()
        await page.getByText('Give the collection a name.').waitFor()
      },
    },
    { name: 'empty collection', go: (page) => page.goto(`${terrace.url}/collections/${empty}`) },
    {
      name: 'collection',
      go: async (page) => {
        await page.goto(`${terrace.url}/collections/${full}`)
        await page.getByText('broken.pdf').waitFor()
      },
    },
    {
      name: 'document menu',
      go: async (page) => {
        await page.goto(`${terrace.url}/collections/${full}`)
        await page.getByRole('button', { name: 'More about broken.pdf' }).click()
        await page.getByRole('menuitem', { name: 'Rename' }).waitFor()
      },
    },
    {
      name: 'uploading',
      go: async (page) => {
        await page.goto(`${terrace.url}/collections/${empty}`)
        await page.route('**/api/files*', () => {})
        const file = (name: string, size = 9) => ({
          name,
          mimeType: 'text/plain',
          buffer: Buffer.alloc(size, 65),
        })
        await page
          .locator('input[type=file][multiple]')
          .first()
          .setInputFiles([...'abcdef'].map((name) => file(`${name}.txt`)).concat(file('empty.txt', 0)))
        await page.getByText('The file is empty.').waitFor()
      },
    },
    { name: 'sharing', go: (page) => openMenu(page, 'Share') },
    { name: 'editing', go: (page) => openMenu(page, 'Edit name and description') },
    { name: 'deleting', go: (page) => openMenu(page, 'Delete the collection') },
    {
      name: 'missing collection',
      go: (page) => page.goto(`${terrace.url}/collections/${crypto.randomUUID()}`),
    },
    {
      name: 'test bench',
      go: async (page) => {
        await page.goto(`${terrace.url}/collections/${full}/test-bench?q=handbook`)
        await page.locator('[data-passage]').first().waitFor()
      },
    },
    { name: 'people', go: (page) => page.goto(`${terrace.url}/people`) },
    {
      name: 'inviting',
      go: async (page) => {
        await page.goto(`${terrace.url}/people`)
        await page.getByRole('button', { name: 'Invite someone' }).click()
        await page.getByRole('dialog').waitFor()
      },
    },
    { name: 'search model', go: (page) => page.goto(`${terrace.url}/search-model`) },
    { name: 'account', go: (page) => page.goto(`${terrace.url}/account`) },
    { name: 'new chat', go: (page) => page.goto(`${terrace.url}/chats/new`) },
    {
      name: 'chat with its answer',
      go: async (page) => {
        await page.goto(`${terrace.url}/chats/${chat}`)
        await page.locator('[data-answer][data-state="done"]').waitFor()
      },
    },
    {
      name: 'source beside the answer',
      go: async (page) => {
        await page.goto(`${terrace.url}/documents/${documentId}`)
        await page.locator('[data-reader]').first().waitFor()
      },
    },
    { name: 'missing chat', go: (page) => page.goto(`${terrace.url}/chats/${crypto.randomUUID()}`) },
    { name: 'search', go: (page) => page.goto(`${terrace.url}/search`) },
    {
      name: 'search with results',
      go: async (page) => {
        await page.goto(`${terrace.url}/search?q=${encodeURIComponent('roles and sharing')}`)
        await page.getByRole('heading', { level: 1 }).waitFor()
        await page.waitForLoadState('networkidle').catch(() => {})
      },
    },
    {
      name: 'no connection',
      go: async (page) => {
        await page.goto(`${terrace.url}/collections`)
        await heading(page, 'Collections')
        await page.context().setOffline(true)
        await page.getByText('No connection to the server.').waitFor()
      },
    },
    {
      name: 'failed page',
      go: async (page) => {
        await page.route(/api\/trpc\/[^?]*collections\.get/, (route) =>
          route.fulfill({ status: 502, json: { code: 'UNAVAILABLE', detail: {}, message: '' } }),
        )
        await page.goto(`${terrace.url}/collections/${full}`)
        await heading(page, 'The collection could not be loaded')
      },
    },
  ]

  test.each(Object.keys(LOOKS) as Look[])(
    'axe finds nothing: %s',
    async (look) => {
      for (const { name, go, guest = false } of STATES) {
        const { context, page } = await open(look, guest ? undefined : owner)
        const failed: string[] = []
        page.on('pageerror', (error) => failed.push(error.message))
        await go(page)
        await page
          .getByRole('heading', { level: 1, includeHidden: true })
          .first()
          .waitFor({ state: 'attached' })
        await expect.poll(() => page.locator('[aria-busy="true"]').count(), { timeout: 20_000 }).toBe(0)
        await expectAccessible(page, `${name}, ${look}`)
        expect(failed, name).toEqual([])
        await context.close()
      }
    },
    600_000,
  )

  test('a phone: the navigation is a drawer that opens, leads on, and closes', async () => {
    const { context, page } = await open('phone', owner)
    await page.goto(`${terrace.url}/collections`)
    await page.getByRole('button', { name: 'Open the navigation' }).tap()
    await expectAccessible(page, 'drawer')
    await page.getByRole('dialog').getByRole('link', { name: 'Search', exact: true }).tap()
    await page.waitForURL(/\/search/)
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.goto(`${terrace.url}/collections/${full}`)
    const targets = await page.evaluate<string[]>(`[...document.querySelectorAll('main button, main a')]
      .filter((each) => each.checkVisibility() && !each.closest('p'))
      .map((each) => ({ each, box: each.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 24 || box.height < 20)
      .map(({ each }) => each.outerHTML.slice(0, 120))`)
    expect(targets).toEqual([])
    await context.close()
  })

  test('the keyboard alone: skip link, visible focus, dialogs that keep it and give it back', async () => {
    const { context, page } = await open('light', owner)
    await page.goto(`${terrace.url}/collections`)
    await page.getByRole('button', { name: 'New collection' }).waitFor()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('New collection')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    for (let presses = 0; presses < 8; presses += 1) {
      await page.keyboard.press('Tab')
      // Chromium lets focus pass the address bar on its way round: then it is nowhere in the page.
      expect(
        await page.evaluate(
          'document.activeElement === document.body || document.activeElement.closest("dialog") !== null',
        ),
      ).toBe(true)
    }
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(await page.evaluate('document.activeElement.textContent')).toBe('New collection')
    await page.getByRole('link', { name: 'Empty' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/collections\/[0-9a-f-]{36}$/)
    await page.getByRole('heading', { name: 'Empty', level: 1 }).waitFor()
    expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN')
    await context.close()
  })

  test('less motion is less motion', async () => {
    const context = await browser.newContext({ reducedMotion: 'reduce' })
    const page = await context.newPage()
    await page.goto(`${terrace.url}/sign-in`)
    expect(await page.evaluate('getComputedStyle(document.querySelector("button")).transitionDuration')).toBe(
      '0.001s',
    )
    await context.close()
  })

  test('all script that the sign-in and the chat page load is under 200 kB', async () => {
    const places: readonly (readonly [string, Session?])[] = [
      ['/sign-in'],
      ['/chats/new', owner],
      [`/chats/${chat}`, owner],
    ]
    for (const [place, session] of places) {
      const { context, page } = await open('light', session)
      const sizes: Promise<number>[] = []
      page.on('response', (response) => {
        if (response.url().endsWith('.js'))
          sizes.push(
            response.body().then(
              (body) => gzipSync(body).length,
              () => 0,
            ),
          )
      })
      await page.goto(terrace.url + place)
      await page
        .getByRole('heading', { level: 1, includeHidden: true })
        .first()
        .waitFor({ state: 'attached' })
      await page.waitForTimeout(2_000)
      const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
      expect(total, place).toBeGreaterThan(100_000)
      expect(total, place).toBeLessThanOrEqual(200_000)
      await context.close()
    }
  })

  test('the sign-in page answers the keyboard as it comes', async () => {
    const { context, page } = await open('light')
    await page.goto(`${terrace.url}/sign-in`)
    await page.waitForFunction('document.activeElement.name === "email"')
    await page.keyboard.type(OWNER.email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(OWNER.password)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${terrace.url}/chats/new`)
    await context.close()
  })
})
