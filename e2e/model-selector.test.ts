// The model selector with models of every kind, some of which can't answer: what is said of each, in both themes and at
// a phone's width; what happens to questions that go to them; and that the model which really answered is named.
// With SCREENSHOTS=1 the picture in docs/configuration.md is taken anew.
import { mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ScriptedModel, startScriptedModel } from '../api/test/scripted-model.ts'
import { freePort } from '../local/postgres.ts'
import { accessibilityFaults } from './chat/accessibility.ts'
import { ask, chooseModel, modelSelector, untilState } from './chat/chat-page.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, type Session } from './harness/people.ts'
import { sampleCollection } from './harness/samples.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

const PICTURES = path.resolve(import.meta.dirname, '../docs/images')
const QUESTION = 'Who may upload documents?'
const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true },
} as const

describe.skipIf(!hasChromium)('the model selector', () => {
  let scripted: ScriptedModel
  /** Refuses every key. */
  let refusing: Server
  let farPort = 0
  let terrace: RunningTerrace
  let browser: Browser
  let owner: Session
  let collectionId = ''

  beforeAll(async () => {
    scripted = await startScriptedModel({ listed: ['scripted?rate=200', 'scripted?error=410'] })
    refusing = createServer((_, response) => response.writeHead(401).end('{}'))
    await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
    farPort = await freePort()
    const offer = (id: string, name: string, more: object) => ({
      ...{ id, name, type: 'openai-compatible', url: scripted.url, model: 'scripted?rate=200' },
      ...more,
    })
    const { port } = refusing.address() as AddressInfo
    const MODELS = JSON.stringify([
      offer('far', 'Far away', {
        url: `http://127.0.0.1:${farPort}/v1`,
        model: 'scripted',
        contextTokens: 131_072,
      }),
      offer('near', 'Near', {
        ...{ provider: 'Our own machine', contextTokens: 8_192, maxOutputTokens: 1_000 },
        price: { input: 0.045, output: 0.384 },
      }),
      offer('old', 'Old', { model: 'scripted?error=410' }),
      offer('next', 'Next in line', { model: 'scripted?rate=300' }),
      offer('refused', 'Refused', { url: `http://127.0.0.1:${port}/v1` }),
    ])
    terrace = await startTerrace({ env: { MODELS } })
    owner = await createOwner(terrace)
    collectionId = (await sampleCollection(owner)).id
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
    await scripted?.close()
    refusing?.closeAllConnections()
    await new Promise((resolve) => refusing?.close(resolve))
  })

  async function open(look: keyof typeof LOOKS): Promise<{ context: BrowserContext; page: Page }> {
    const context = await browser.newContext(LOOKS[look])
    await context.addCookies([...owner.cookies])
    return { context, page: await context.newPage() }
  }

  const choice = (page: Page, name: string) => page.getByRole('menuitemradio', { name })

  async function openChat(page: Page): Promise<string> {
    const { id } = await owner.mutate<{ id: string }>('chats.create', { collectionIds: [collectionId] })
    await page.goto(`${terrace.url}/chats/${id}`)
    await page.getByLabel('Your question').waitFor()
    return id
  }

  test.each(Object.keys(LOOKS) as (keyof typeof LOOKS)[])(
    'says what is known of each model: %s',
    async (look) => {
      const { context, page } = await open(look)
      await page.goto(`${terrace.url}/chats/new`)
      // Not the first one, which is not there.
      await page.getByLabel('Answers by: Near').waitFor()
      await modelSelector(page).click()
      const near = choice(page, 'Near')
      await near
        .getByText('8K tokens of context, answers up to 1K · $0.05 in, $0.38 out per million tokens')
        .waitFor()
      await near.getByText('Our own machine').waitFor()
      await near.getByText('Default').waitFor()
      expect(await page.getByText('Default', { exact: true }).count()).toBe(1)
      await choice(page, 'Far away').getByText('It can not be reached at the moment.').waitFor()
      await choice(page, 'Refused').getByText('Its server refuses the key that Terrace has for it.').waitFor()
      await choice(page, 'Next in line').getByText('Its server does not list it.').waitFor()
      expect(await page.locator('[role=menuitemradio][aria-disabled=true]').count()).toBe(0)
      if (process.env.SCREENSHOTS === '1' && look === 'light') {
        mkdirSync(PICTURES, { recursive: true })
        await page.screenshot({ path: path.join(PICTURES, 'models.png'), animations: 'disabled' })
      }
      expect(await accessibilityFaults(page)).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
      const inside = await page.evaluate(`(() => {
      const menu = document.querySelector('[role=menu]:popover-open')
      const { left, right, top, bottom } = menu.getBoundingClientRect()
      return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight && menu.scrollWidth <= menu.clientWidth
    })()`)
      expect(inside).toBe(true)
      await context.close()
    },
  )

  test('by the keyboard, and what comes later takes no focus away', async () => {
    const { context, page } = await open('light')
    await page.goto(`${terrace.url}/chats/new`)
    await page.getByLabel('Answers by: Near').waitFor()
    await modelSelector(page).focus()
    await page.keyboard.press('Enter')
    await choice(page, 'Near').getByText('8K tokens of context').waitFor()
    const focused = () => page.evaluate<string>('document.activeElement.innerText.split("\\n")[0].trim()')
    expect(await focused()).toMatch(/^Near/)
    await page.keyboard.press('ArrowUp')
    expect(await focused()).toMatch(/^Far away/)
    await page.keyboard.type('ne')
    await page.keyboard.press('End')
    expect(await focused()).toBe('Most relevant passages')
    await page.keyboard.press('Enter')
    await page.getByLabel('Answers by: Most relevant passages').waitFor()
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toMatch(/^Answers by/)
    await context.close()
  })

  test('another one answers for a model that is gone, and is named: now, after a reload, in another tab', async () => {
    const { context, page } = await open('light')
    const chatId = await openChat(page)
    await chooseModel(page, 'Old')
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'done')
    const words = 'Answered by Next in line, because Old was not available.'
    await answer.getByText(words).waitFor()
    await page.reload()
    await page.getByText(words).waitFor()
    const tab = await context.newPage()
    await tab.goto(`${terrace.url}/chats/${chatId}`)
    await tab.getByText(words).waitFor()
    await tab.close()
    // It can't be chosen any more, and the menu says why.
    await modelSelector(page).click()
    await choice(page, 'Old').getByText('Its provider no longer offers it.').waitFor()
    expect(await choice(page, 'Old').getAttribute('aria-disabled')).toBe('true')
    await page.keyboard.press('Escape')
    // Passages are named as well.
    await chooseModel(page, 'Most relevant passages')
    const quoted = await ask(page, QUESTION)
    await untilState(quoted, 'done')
    expect(await quoted.locator('[data-answered-by]').innerText()).toBe('Most relevant passages')
    await context.close()
  })

  test('one that can not be reached is asked when it is chosen, and is the default again once it answers', async () => {
    const { context, page } = await open('light')
    await openChat(page)
    await chooseModel(page, 'Far away')
    const failed = await ask(page, QUESTION)
    await untilState(failed, 'failed')
    await failed.getByText('The model could not be reached.').first().waitFor()
    await using _far = await startScriptedModel({ port: farPort })
    await failed.getByRole('button', { name: 'Try again' }).click()
    await untilState(failed, 'done')
    expect(await failed.locator('[data-answered-by]').innerText()).toBe('Far away')
    await modelSelector(page).click()
    await choice(page, 'Far away').getByText('Default').waitFor()
    expect(await choice(page, 'Far away').innerText()).not.toContain('reached')
    await context.close()
  })
})
