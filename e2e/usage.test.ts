// What a person's questions have taken, what they may take, and what happens when that is spent: in a real browser.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ScriptedModel, startScriptedModel } from '../api/test/scripted-model.ts'
import { accessibilityFaults } from './chat/accessibility.ts'
import { ask, chooseModel, untilState } from './chat/chat-page.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { createOwner, OWNER, type Session } from './harness/people.ts'
import { sampleCollection } from './harness/samples.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

const QUESTION = 'How do I upload documents?'
const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
} as const

describe.skipIf(!hasChromium)('usage and budgets', () => {
  let model: ScriptedModel
  let terrace: RunningTerrace
  let browser: Browser
  let owner: Session
  let collectionId = ''

  beforeAll(async () => {
    model = await startScriptedModel()
    const entry = { id: 'm', name: 'Scripted', type: 'openai-compatible', url: model.url, model: 'scripted' }
    const MODELS = JSON.stringify([{ ...entry, price: { input: 3, output: 15 } }])
    terrace = await startTerrace({ env: { MODELS, BUDGET_TOKENS: '100000' } })
    browser = await launchBrowser()
    owner = await createOwner(terrace)
    collectionId = (await sampleCollection(owner)).id
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
    await model?.close()
  })

  async function open(place: string, look: keyof typeof LOOKS = 'light') {
    const context: BrowserContext = await browser.newContext(LOOKS[look])
    await context.addCookies([...owner.cookies])
    const page = await context.newPage()
    await page.goto(terrace.url + place)
    return { page, [Symbol.asyncDispose]: () => context.close() }
  }

  async function expectAccessible(page: Page, where: string): Promise<void> {
    expect.soft(await accessibilityFaults(page), where).toEqual([])
    expect
      .soft(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${where}: too wide`)
      .toBe(true)
  }

  async function openChat(page: Page): Promise<void> {
    const { id } = await owner.mutate<{ id: string }>('chats.create', { collectionIds: [collectionId] })
    await page.goto(`${terrace.url}/chats/${id}`)
    await page.getByLabel('Your question').waitFor()
  }

  test('what an answer took is on the account’s page, with what is left', async () => {
    await using chat = await open('/chats/new')
    await openChat(chat.page)
    await untilState(await ask(chat.page, QUESTION), 'done')
    for (const look of Object.keys(LOOKS) as (keyof typeof LOOKS)[]) {
      await using account = await open('/account', look)
      const section = account.page.getByRole('region', { name: 'Usage this month' }).first()
      await section.getByText(/of 100,000 tokens, [\d,]+ left$/).waitFor()
      await section.getByText(/^It starts again on [A-Z][a-z]+ 1\./).waitFor()
      const row = section.getByRole('row', { name: /^Scripted [\d,]+ [\d,]+ \$0\.\d+$/ })
      // Its name comes with the list of models.
      await expect.poll(() => row.count()).toBe(1)
      await expectAccessible(account.page, `account, ${look}`)
    }
  })

  test('an owner sees everybody’s usage, and sets a budget by the keyboard', async () => {
    for (const look of Object.keys(LOOKS) as (keyof typeof LOOKS)[]) {
      await using people = await open('/people', look)
      await people.page.getByText(/^Scripted: [\d,]+ tokens · \$0\.\d+$/).waitFor()
      await expectAccessible(people.page, `people, ${look}`)
      await people.page.getByRole('button', { name: `Budget of ${OWNER.name}` }).click()
      await people.page.getByRole('dialog').getByLabel('Tokens').waitFor()
      await expectAccessible(people.page, `budget, ${look}`)
    }
    await using people = await open('/people')
    const { page } = people
    await page.getByRole('button', { name: `Budget of ${OWNER.name}` }).press('Enter')
    await page.getByRole('dialog').locator('input:focus').waitFor()
    await page.keyboard.type('few')
    await page.keyboard.press('Enter')
    await page.getByText('A whole number up to 1,000,000,000,000, or nothing.').waitFor()
    await page.getByLabel('Tokens').fill('1,000')
    await page.keyboard.press('Enter')
    await page.getByText('budget: 1,000 tokens').waitFor()
    expect(await page.getByRole('dialog').count()).toBe(0)
    await page.getByLabel('Month').selectOption({ index: 1 })
    await page.getByText(/^nothing · budget: 1,000 tokens$/).waitFor()
  })

  test('a budget that is spent is said in words, and passages still answer', async () => {
    await using chat = await open('/chats/new')
    const { page } = chat
    await openChat(page)
    const answer = await ask(page, QUESTION)
    await untilState(answer, 'failed')
    await answer
      .getByText(/Your budget for this month \(1,000 tokens\) .* starts again on 1 [A-Z][a-z]+; until then/)
      .first()
      .waitFor()
    await answer.getByText('Code BUDGET_SPENT').waitFor()
    await expectAccessible(page, 'a budget that is spent')
    await chooseModel(page, 'Most relevant passages')
    await answer.getByRole('button', { name: 'Try again' }).click()
    await untilState(answer, 'done')
  })
})
