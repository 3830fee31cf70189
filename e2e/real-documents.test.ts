// The main job on real documents of every kind, in a real browser: uploaded together, each is found by a question
// about it, opens at the passage that answers, and is cited by name.
import path from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, markInView, untilState } from './chat/chat-page.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { everyKind, hasEveryKind, type RealDocument } from './harness/documents.ts'
import { createOwner } from './harness/people.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

describe.skipIf(!hasChromium || !hasEveryKind)('real documents of every kind', () => {
  let terrace: RunningTerrace
  let browser: Browser
  let page: Page
  let documents: RealDocument[] = []
  const name = ({ file }: RealDocument) => path.basename(file)

  beforeAll(async () => {
    terrace = await startTerrace()
    documents = everyKind(terrace.home)
    const owner = await createOwner(terrace)
    const { id } = await owner.mutate<{ id: string }>('collections.create', { name: 'Real' })
    browser = await launchBrowser()
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    await context.addCookies([...owner.cookies])
    page = await context.newPage()
    await page.goto(`${terrace.url}/collections/${id}`)
  })
  afterAll(async () => {
    await browser?.close()
    await terrace?.[Symbol.asyncDispose]()
  })

  test('are uploaded together and become searchable', async () => {
    await page
      .locator('input[type=file][multiple]')
      .first()
      .setInputFiles(documents.map(({ file }) => file))
    for (const document of documents)
      await page
        .getByRole('listitem')
        .filter({ has: page.getByRole('link', { name: name(document), exact: true }) })
        .getByText('Searchable', { exact: true })
        .waitFor({ timeout: 240_000 })
  })

  test('each is found by a question about it and opens at the passage', async () => {
    for (const document of documents) {
      await page.goto(`${terrace.url}/search?q=${encodeURIComponent(document.question)}`)
      const first = page.locator('[data-passage]').first()
      await first.waitFor()
      expect.soft(await first.innerText()).toContain(name(document))
      await first.click()
      const mark = page.locator('mark[data-passage-mark]')
      await mark.first().waitFor()
      expect.soft((await mark.allInnerTexts()).join(' '), name(document)).toMatch(document.answer)
      expect(await markInView(page)).toBe(true)
    }
  })

  test('an answer cites them by name, and the citation opens its source', async () => {
    const [pdf, docx] = documents
    for (const document of [pdf, docx]) {
      if (document === undefined) throw new Error('no such document')
      await page.goto(`${terrace.url}/chats/new`)
      const answer = await ask(page, document.question)
      await untilState(answer, 'done')
      const citation = answer.getByRole('button', { name: new RegExp(name(document)) }).first()
      await citation.click()
      const mark = page.locator('mark[data-passage-mark]')
      await mark.first().waitFor()
      expect((await mark.allInnerTexts()).join(' ')).toMatch(document.answer)
    }
  })
})
