// From the set-up link to documents that can be searched, in a real browser, with real documents; then what goes
// wrong on the way: files that can't be read, a network that goes away, a session that ends, a server that dies.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { hasChromium, launchBrowser } from './harness/browser.ts'
import { hasDocuments, unpackPdf } from './harness/documents.ts'
import { OWNER, type Session, signIn } from './harness/people.ts'
import { type RunningTerrace, startTerrace } from './harness/terrace.ts'

const READ_MS = 120_000
const MEMBER = { name: 'Milo Member', email: 'milo@example.test', password: 'another long password' }

describe.skipIf(!hasChromium || !hasDocuments)('set-up and upload', () => {
  let terrace: RunningTerrace
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let owner: Session
  let collection = ''
  const faults: string[] = []

  beforeAll(async () => {
    terrace = await startTerrace()
    browser = await launchBrowser()
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    page = await context.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (/Content.Security.Policy|Hydration|React/i.test(message.text())) faults.push(message.text())
    })
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

  const row = (name: string): Locator =>
    page.getByRole('listitem').filter({ has: page.getByRole('link', { name, exact: true }) })
  const textFile = (name: string, text: string) => ({
    name,
    mimeType: 'text/plain',
    buffer: Buffer.from(text),
  })
  const choose = (files: Parameters<Locator['setInputFiles']>[0]) =>
    page.locator('input[type=file][multiple]').first().setInputFiles(files)
  const menuOf = async (name: string, item: string) => {
    await page.getByRole('button', { name: `More about ${name}` }).click()
    await page.getByRole('menuitem', { name: item }).click()
  }

  async function fillSignIn(tab: Page, person: { email: string; password: string }): Promise<void> {
    await tab.getByLabel('E-mail address').fill(person.email)
    await tab.getByLabel('Password', { exact: true }).fill(person.password)
    await tab.getByRole('button', { name: 'Sign in' }).click()
  }

  test('before there is an owner every page leads to what to do', async () => {
    await page.goto(`${terrace.url}/collections`)
    await page.getByRole('heading', { name: 'This Terrace has no owner yet' }).waitFor()
    await page.goto(`${terrace.url}/setup`)
    await page.getByRole('heading', { name: 'The set-up link is incomplete' }).waitFor()
    await page.goto(`${terrace.url}/setup?token=wrong-wrong-wrong-wrong`)
    await fillNewAccount(page, OWNER)
    await page.getByRole('alert').filter({ hasText: 'This set-up link is not valid any more' }).waitFor()
  })

  test('the set-up link makes the owner, and says what is missing', async () => {
    await page.goto(terrace.setupLink ?? '')
    await page.getByRole('button', { name: 'Create the account' }).click()
    await page.getByText('Enter your name.').waitFor()
    expect(await page.evaluate('document.activeElement.name')).toBe('name')
    expect(await page.getByLabel('Choose a password').getAttribute('aria-invalid')).toBe('true')
    await fillNewAccount(page, OWNER)
    await page.getByRole('heading', { name: 'Welcome to Terrace' }).waitFor()
    owner = await signIn(terrace, OWNER)
  })

  test('files of all kinds are uploaded at once, read, and become searchable', async () => {
    await page.getByRole('button', { name: 'New collection' }).click()
    await page.waitForFunction('document.activeElement.name === "name"')
    await page.getByLabel('Name').fill('Handbooks')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/collections\/[0-9a-f-]{36}$/)
    collection = page.url()
    await page.getByRole('heading', { name: 'Drop files here' }).waitFor()

    const truncated = path.join(terrace.home, 'truncated.pdf')
    const faq = unpackPdf('debian-faq.pdf', terrace.home)
    writeFileSync(truncated, readFileSync(faq).subarray(0, 3_000))
    const empty = path.join(terrace.home, 'empty.txt')
    writeFileSync(empty, '')
    const unknown = path.join(terrace.home, 'program.exe')
    writeFileSync(unknown, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3, 0, 0, 0, 0, 0xff, 0xfe]))
    await choose([faq, unpackPdf('fhs.pdf', terrace.home), truncated, empty, unknown])

    await page.getByText('The file is empty.').waitFor()
    await row('debian-faq.pdf').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })
    await row('fhs.pdf').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })
    await row('truncated.pdf').getByText('The file is damaged and could not be read.').waitFor()
    await row('program.exe').getByText('Files of this kind can not be read').waitFor()
    await page.getByText('2 need attention').waitFor()
    expect(await row('debian-faq.pdf').innerText()).toMatch(/\d+ pages · \d+ passages/)
  })

  test('the list survives a reload', async () => {
    await page.reload()
    await row('debian-faq.pdf').getByText('Searchable', { exact: true }).waitFor()
    await row('truncated.pdf').getByText('The file is damaged').waitFor()
  })

  test('a folder is dropped on the page, with what is in it', async () => {
    const folder = path.join(terrace.home, 'a folder')
    mkdirSync(path.join(folder, 'deeper'), { recursive: true })
    writeFileSync(path.join(folder, 'dropped one.md'), '# dropped one.md')
    writeFileSync(path.join(folder, 'deeper', 'dropped two.txt'), '# dropped two.txt')
    writeFileSync(path.join(folder, '.DS_Store'), 'clutter')
    // As the system does it: a page can't make an event with a folder in it.
    const system = await context.newCDPSession(page)
    const drag = (type: 'dragEnter' | 'dragOver' | 'drop') =>
      system.send('Input.dispatchDragEvent', {
        type,
        x: 700,
        y: 400,
        data: { items: [], files: [folder], dragOperationsMask: 1 },
      })
    await drag('dragEnter')
    await drag('dragOver')
    await page.getByText('Drop to upload into “Handbooks”').waitFor()
    await drag('drop')
    await row('dropped one.md').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })
    await row('dropped two.txt').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })
    expect(await row('.DS_Store').count()).toBe(0)
  })

  test('the same file again is a question with three answers', async () => {
    await choose([textFile('kept twice.txt', '# dropped one.md')])
    await row('kept twice.txt').getByText('The same file is already here, as “dropped one.md”.').waitFor()
    await row('kept twice.txt').getByRole('button', { name: 'Keep both' }).click()
    await row('kept twice.txt').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })

    await choose([textFile('skipped.txt', '# dropped two.txt')])
    await row('skipped.txt').getByRole('button', { name: 'Skip it' }).click()
    await row('skipped.txt').waitFor({ state: 'detached' })

    await choose([textFile('newer.txt', '# dropped two.txt')])
    await row('newer.txt').getByRole('button', { name: 'Make it a new version' }).click()
    await row('newer.txt').waitFor({ state: 'detached' })
    await row('dropped two.txt').getByText('version 2').waitFor({ timeout: READ_MS })
  })

  test('documents are found, renamed, given a new version, and deleted', async () => {
    await page.getByLabel('Find a document by its name').fill('fhs')
    await row('debian-faq.pdf').waitFor({ state: 'detached' })
    await page.getByLabel('Find a document by its name').fill('nothing of this name')
    await page.getByText('No document is called like “nothing of this name”').waitFor()
    await page.getByRole('button', { name: 'Show all documents' }).click()

    await menuOf('fhs.pdf', 'Rename')
    await page.waitForFunction('document.activeElement.name === "name"')
    await page.keyboard.type('Filesystem standard')
    await page.keyboard.press('Enter')
    await row('Filesystem standard').waitFor()
    // The menu that led here is where the keyboard goes on.
    await vi.waitFor(
      async () =>
        expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toMatch(
          /^More about/,
        ),
      { timeout: 20_000 },
    )

    await page.getByRole('button', { name: 'More about kept twice.txt' }).click()
    const chooser = page.waitForEvent('filechooser')
    await page.getByRole('menuitem', { name: 'Upload a new version' }).click()
    await (await chooser).setFiles([textFile('other.txt', 'a second version of it')])
    await row('kept twice.txt').getByText('version 2').waitFor({ timeout: READ_MS })
    await row('kept twice.txt').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })

    await menuOf('kept twice.txt', 'Delete')
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await row('kept twice.txt').waitFor()
    await menuOf('kept twice.txt', 'Delete')
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await row('kept twice.txt').waitFor({ state: 'detached' })
    const download = page.waitForEvent('download')
    await menuOf('debian-faq.pdf', 'Download the original')
    expect((await download).suggestedFilename()).toBe('debian-faq.pdf')
  })

  test('reading can be stopped and begun again', async () => {
    const policy = unpackPdf('policy.pdf', terrace.home)
    await choose([policy])
    await row('policy.pdf').getByRole('button', { name: 'Stop reading it' }).click({ timeout: READ_MS })
    await row('policy.pdf').getByText('Stopped', { exact: true }).waitFor({ timeout: READ_MS })
    await row('policy.pdf').getByRole('button', { name: 'Try again to read policy.pdf' }).click()
    await row('policy.pdf')
      .getByText(/^Searchable by words; .* \d+ of \d+ passages$/)
      .waitFor({ timeout: READ_MS })
    await menuOf('policy.pdf', 'Delete')
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await row('policy.pdf').waitFor({ state: 'detached' })
  })

  test('eight tabs share one event stream, and each shows what happens', async () => {
    let streams = 0
    context.on('request', (request) => {
      if (request.url().includes('events.watch')) streams += 1
    })
    const tabs = await Promise.all(Array.from({ length: 8 }, () => context.newPage()))
    for (const tab of tabs) await tab.goto(collection)
    await choose([textFile('for all tabs.txt', 'seen everywhere')])
    for (const tab of tabs) {
      await tab
        .getByRole('listitem')
        .filter({ hasText: 'for all tabs.txt' })
        .getByText('Searchable', { exact: true })
        .waitFor({ timeout: READ_MS })
    }
    // The first tab had it before; nobody else opened one.
    expect(streams).toBe(0)
    for (const tab of tabs) await tab.close()
  })

  test('when the tab that holds the stream closes, another goes on', async () => {
    const second = await context.newPage()
    await second.goto(collection)
    await second.getByText('for all tabs.txt').first().waitFor()
    await page.close()
    await owner.fetch(`/api/files?collection=${collection.split('/').at(-1)}&name=after.txt`, {
      method: 'PUT',
      body: 'after the first tab',
    })
    await second.getByText('after.txt').first().waitFor()
    page = second
  })

  test('someone who was invited sees what is shared, and only that', async () => {
    await page.goto(`${terrace.url}/people`)
    await page.getByRole('button', { name: 'Invite someone' }).click()
    await page.getByLabel('E-mail address').fill(MEMBER.email)
    await page.getByRole('button', { name: 'Make the link' }).click()
    const link = await page.getByLabel('Link', { exact: true }).inputValue()
    await page.keyboard.press('Escape')
    await page.getByRole('listitem').filter({ hasText: MEMBER.email }).waitFor()

    const theirs = await browser.newContext()
    const tab = await theirs.newPage()
    await tab.goto(link)
    await tab.getByText(`${OWNER.name} has invited you`).waitFor()
    await tab.getByLabel('Your name').fill(MEMBER.name)
    await tab.getByLabel('Choose a password').fill(MEMBER.password)
    await tab.getByRole('button', { name: 'Join' }).click()
    await tab.getByRole('heading', { name: 'Welcome to Terrace' }).waitFor()
    expect(await tab.getByRole('link', { name: 'People' }).count()).toBe(0)
    await tab.goto(collection)
    await tab.getByText('This collection does not exist, or it is not shared with you.').waitFor()
    await tab.goto(link)
    await tab.getByRole('heading', { name: 'This invitation does not work any more' }).waitFor()
    await tab.goto(`${terrace.url}/collections`)
    await tab.getByRole('heading', { name: 'No collections yet' }).waitFor()

    await page.goto(collection)
    await page.getByRole('button', { name: 'More about this collection' }).click()
    await page.getByRole('menuitem', { name: 'Share' }).click()
    await page.getByLabel('Person').selectOption({ label: `${MEMBER.name} (${MEMBER.email})` })
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByLabel(`Role of ${MEMBER.name}`).waitFor()
    await page.getByRole('button', { name: `Remove ${OWNER.name}` }).click()
    await page.getByRole('alert').filter({ hasText: 'This is the last owner.' }).waitFor()

    // By the event, without looking again.
    await tab.getByRole('link', { name: 'Handbooks' }).click()
    await tab.getByRole('link', { name: 'debian-faq.pdf' }).waitFor()
    expect(await tab.getByRole('button', { name: 'Upload' }).count()).toBe(0)
    await tab.getByRole('button', { name: 'More about debian-faq.pdf' }).click()
    await tab.getByRole('menuitem', { name: 'Ask this document' }).waitFor()
    expect(await tab.getByRole('menuitem', { name: 'Delete' }).count()).toBe(0)

    await tab.keyboard.press('Escape')
    await tab.getByRole('button', { name: 'More about this collection' }).click()
    await tab.getByRole('menuitem', { name: 'Leave the collection' }).click()
    await tab.getByRole('dialog').getByRole('button', { name: 'Leave the collection' }).click()
    await tab.getByRole('heading', { name: 'No collections yet' }).waitFor()
    await theirs.close()
  })

  test('a network that goes away is said, and what was to be sent is sent when it is back', async () => {
    await page.goto(collection)
    await row('debian-faq.pdf').waitFor()
    await context.setOffline(true)
    await page.getByText('No connection to the server.').waitFor()
    await choose([textFile('sent later.txt', 'written while offline')])
    await page.getByText('No connection; it is tried again by itself').waitFor()
    await context.setOffline(false)
    await row('sent later.txt').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })
    await page.getByText('No connection to the server.').waitFor({ state: 'detached' })
  })

  test('a server that dies is said, and the page goes on when it is back', async () => {
    await page.goto(collection)
    await row('debian-faq.pdf').waitFor()
    // Once would be mended before anybody noticed.
    const kill = setInterval(() => {
      for (const pid of terrace.processes().api ?? []) process.kill(pid, 'SIGKILL')
    }, 500)
    await page.getByText('No connection to the server.').waitFor({ timeout: 60_000 })
    clearInterval(kill)
    await page.getByText('No connection to the server.').waitFor({ state: 'detached', timeout: 90_000 })
    await choose([textFile('after the crash.txt', 'the list goes on')])
    await row('after the crash.txt').getByText('Searchable', { exact: true }).waitFor({ timeout: READ_MS })
  })

  test('a session that ended leads to signing in, and back', async () => {
    await page.goto(`${collection}?from=here`)
    await row('debian-faq.pdf').waitFor()
    await context.clearCookies()
    await page.getByRole('button', { name: 'More about this collection' }).click()
    await page.getByRole('menuitem', { name: 'Share' }).click()
    await page.waitForURL(/\/sign-in\?next=/)
    await fillSignIn(page, { email: OWNER.email, password: 'not the password' })
    await page
      .getByRole('alert')
      .filter({ hasText: 'The e-mail address or the password is wrong.' })
      .waitFor()
    await fillSignIn(page, OWNER)
    await page.waitForURL(`${collection}?from=here`)
    await row('debian-faq.pdf').waitFor()
  })

  test('whoever signs in next in this browser sees nothing of the person before', async () => {
    const question = page.getByLabel('Your question')
    const shell = (name: string) => page.getByRole('navigation').getByRole('link', { name })
    await page.goto(`${terrace.url}/chats/new`)
    await question.fill('what only the owner wants to know')
    await page.goto(`${terrace.url}/account`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(/\/sign-in$/)
    await fillSignIn(page, MEMBER)
    await shell(MEMBER.name).waitFor()
    await page.goto(`${terrace.url}/chats/new`)
    await question.waitFor()
    expect(await question.inputValue()).toBe('')
    expect(await page.evaluate('JSON.stringify(sessionStorage)')).not.toContain('what only the owner')

    // In another tab this time: this one learns of it when it asks again.
    const become = async (person: { email: string; password: string }) => {
      const { cookie } = await signIn(terrace, person)
      const cookies = cookie.split('; ').map((each) => each.split(/=(.*)/))
      await context.clearCookies()
      await context.addCookies(cookies.map(([name = '', value = '']) => ({ name, value, url: terrace.url })))
    }
    const { id } = await owner.mutate<{ id: string }>('collections.create', { name: 'For nobody else' })
    await become(OWNER)
    await page.goto(`${terrace.url}/collections/${id}`)
    await page.getByRole('heading', { name: 'For nobody else' }).waitFor()
    await become(MEMBER)
    await context.setOffline(true)
    await page.getByText('No connection to the server.').waitFor()
    await context.setOffline(false)
    await page.getByText('This collection does not exist, or it is not shared with you.').waitFor()
    await shell(MEMBER.name).waitFor()
    expect(await page.getByText('For nobody else').count()).toBe(0)
    await owner.mutate('collections.delete', { id })
  })

  test('signing in leads nowhere else', async () => {
    await context.clearCookies()
    await page.goto(`${terrace.url}/sign-in?next=${encodeURIComponent('//evil.example/x')}`)
    await fillSignIn(page, OWNER)
    await page.waitForURL(`${terrace.url}/chats/new`)
  })

  test('the account: name, password, colours, signing out', async () => {
    await page.goto(`${terrace.url}/account`)
    await page.getByLabel('Name', { exact: true }).fill('Olive O.')
    await page.getByRole('button', { name: 'Save the name' }).click()
    await page.getByRole('link', { name: 'Olive O.' }).waitFor()

    await page.getByText('Dark', { exact: true }).click()
    expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('dark')
    await page.reload()
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark')

    await page.getByLabel('Current password').fill('not the password')
    await page.getByLabel('New password').fill('a new long password')
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByText('This is not the current password.').waitFor()
    await page.getByLabel('Current password').fill(OWNER.password)
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByText('The password is changed.').waitFor()

    // A key is shown once, opens its door through the web server, and is revoked.
    await page.getByText('You have none.').waitFor()
    await page.getByRole('button', { name: 'Make a key' }).click()
    await page.getByLabel('Name', { exact: true }).last().fill('Nightly report')
    await page.getByRole('button', { name: 'Make the key' }).click()
    const key = await page.getByLabel('Key', { exact: true }).inputValue()
    expect(key).toMatch(/^terrace_[A-Za-z]{64}$/)
    await page.getByRole('button', { name: 'Close' }).last().click()
    const list = () => fetch(`${terrace.url}/api/v1/models`, { headers: { authorization: `Bearer ${key}` } })
    expect(await (await list()).json()).toMatchObject({ object: 'list' })
    await page.reload()
    await page.getByText('Nightly report').waitFor()
    await page.getByText(/last used/).waitFor()
    expect(await page.content()).not.toContain(key)
    await page.getByRole('button', { name: 'Revoke Nightly report' }).click()
    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.getByText('Nightly report does not work any more.').waitFor()
    expect((await list()).status).toBe(401)

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(/\/sign-in$/)
    await page.goto(collection)
    await page.waitForURL(/\/sign-in\?next=/)
  })

  async function fillNewAccount(tab: Page, person: typeof OWNER): Promise<void> {
    await tab.getByLabel('Your name').fill(person.name)
    await tab.getByLabel('E-mail address').fill(person.email)
    await tab.getByLabel('Choose a password').fill(person.password)
    await tab.getByRole('button', { name: 'Create the account' }).click()
  }
})
