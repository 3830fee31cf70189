// The chat page as a person uses it, for browser tests. What an answer looked like over time is written down by an
// observer inside the page, so that a test can say what was shown and not only what is there at the end.
import type { Locator, Page } from 'playwright-core'

/** One look of an answer, noted whenever it changed. */
export interface Seen {
  readonly answer: string
  readonly state: string
  /** What is happening, said before the first token. */
  readonly status: string
  readonly text: string
}

// Words, not functions: these run in the page, which knows other types than this program.
const OBSERVER = `
  window.seenAnswers = []
  const look = () => {
    for (const answer of document.querySelectorAll('[data-answer]')) {
      const now = {
        answer: answer.dataset.answer,
        state: answer.dataset.state,
        status: answer.querySelector('[data-answer-status]')?.innerText ?? '',
        text: answer.querySelector('[data-answer-text]')?.innerText ?? '',
      }
      const before = window.seenAnswers.findLast((seen) => seen.answer === now.answer)
      if (JSON.stringify(now) !== JSON.stringify(before)) window.seenAnswers.push(now)
    }
  }
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributes: true })
`

/** From the page's next load on. */
export async function observeAnswers(page: Page): Promise<void> {
  await page.addInitScript({ content: OBSERVER })
}

/** Everything since the page was loaded. */
export async function seenAnswers(page: Page): Promise<Seen[]> {
  return page.evaluate<Seen[]>('window.seenAnswers')
}

export async function ask(page: Page, question: string): Promise<Locator> {
  const before = await page.locator('[data-answer]').count()
  await page.getByLabel('Your question').fill(question)
  await page.keyboard.press('Enter')
  const answer = page.locator('[data-answer]').nth(before)
  await answer.waitFor()
  return answer
}

export async function untilState(answer: Locator, ...states: readonly string[]): Promise<void> {
  const page = answer.page()
  const id = await answer.getAttribute('data-answer')
  const wanted = states.map((state) => `[data-answer="${id}"][data-state="${state}"]`).join(', ')
  await page.locator(wanted).waitFor({ timeout: 90_000 })
}

export function textOf(answer: Locator): Promise<string> {
  return answer.locator('[data-answer-text]').innerText()
}

/** Once its menu is closed: while it is open the menu has the same name, and a click would only close it. */
export function modelSelector(page: Page): Locator {
  return page.getByRole('button', { name: /^Answers by: /, expanded: false })
}

export async function chooseModel(page: Page, name: string): Promise<void> {
  await modelSelector(page).click()
  await page.getByRole('menuitemradio', { name }).click()
  await page.getByLabel(`Answers by: ${name}`).waitFor()
}

/** Letters and digits only: Markdown, citation numbers' brackets and blanks aside. */
export function words(text: string): string {
  return text.replace(/[^\p{L}\p{N}]/gu, '')
}

/** Whether the marked passage can be seen in the source pane. */
export async function markInView(page: Page): Promise<boolean> {
  return page.evaluate<boolean>(`(() => {
    const mark = document.querySelector('mark[data-passage-mark]')?.getBoundingClientRect()
    const column = document.querySelector('[data-reader]')?.getBoundingClientRect()
    return Boolean(mark && column && mark.top >= column.top && mark.top < column.bottom)
  })()`)
}

/** How many answer streams the pages of a context hold open now. */
export function openStreams(page: Page): () => number {
  const open = new Set<unknown>()
  const context = page.context()
  context.on('request', (request) => {
    if (request.url().includes('/api/trpc/chats.watch')) open.add(request)
  })
  context.on('requestfinished', (request) => open.delete(request))
  context.on('requestfailed', (request) => open.delete(request))
  return () => open.size
}
