import { expect, it } from 'vitest'
import { isMissingPart, type OldPage, reloadOnce, takeReloadNote } from './old-page.ts'

class FakeStorage {
  readonly items = new Map<string, string>()
  getItem(key: string) {
    return this.items.get(key) ?? null
  }
  setItem(key: string, value: string) {
    this.items.set(key, value)
  }
  removeItem(key: string) {
    this.items.delete(key)
  }
}

/** A page of build `a`, on which nothing is under way. */
function page(but: Partial<OldPage> = {}) {
  const did = { reloads: 0, waits: 0 }
  const storage = new FakeStorage()
  const all: OldPage = {
    build: 'a',
    storage,
    isUnderWay: () => false,
    isServerThere: async () => true,
    pause: async () => undefined,
    reload: () => void did.reloads++,
    onWaiting: () => void did.waits++,
    signal: new AbortController().signal,
    ...but,
  }
  return { all, did, storage }
}

it.each([
  [
    Object.assign(new Error('Failed to load chunk /_next/static/chunks/0.js'), { name: 'ChunkLoadError' }),
    true,
  ],
  [new TypeError('Failed to fetch dynamically imported module: https://x.test/0.js'), true],
  [new TypeError('error loading dynamically imported module: https://x.test/0.js'), true],
  [new TypeError('Importing a module script failed.'), true],
  [new TypeError('Cannot read properties of undefined'), false],
  ['ChunkLoadError', false],
])('%s: a missing part is %s', (error, missing) => {
  expect(isMissingPart(error)).toBe(missing)
})

it('loads itself again once for each build, whichever comes between', async () => {
  const { all, did } = page()
  expect(await reloadOnce(all)).toBe(true)
  expect(await reloadOnce(all)).toBe(false)
  expect(await reloadOnce({ ...all, build: 'b' })).toBe(true)
  expect(await reloadOnce(all)).toBe(false)
  expect(await reloadOnce({ ...all, build: 'b' })).toBe(false)
  expect(did.reloads).toBe(2)
})

it('waits for what is under way, also for what begins while the server is asked, and says so once', async () => {
  const order: string[] = []
  let left = 2
  const { all, did } = page({
    isUnderWay: () => left > 0,
    pause: async () => {
      order.push('pause')
      left--
    },
    isServerThere: async () => {
      order.push('ask')
      if (order.filter((one) => one === 'ask').length === 1) left = 1
      return true
    },
    reload: () => void order.push('reload'),
  })
  expect(await reloadOnce(all)).toBe(true)
  expect(order).toEqual(['pause', 'pause', 'ask', 'pause', 'ask', 'reload'])
  expect(did.waits).toBe(1)
})

it('stays when no server is there, and has its one time still', async () => {
  const { all, did } = page()
  expect(await reloadOnce({ ...all, isServerThere: async () => false })).toBe(false)
  expect(did.reloads).toBe(0)
  expect(await reloadOnce(all)).toBe(true)
})

it('stays without storage, or where nothing can be written: nothing would end a circle', async () => {
  const full = new FakeStorage()
  full.setItem = () => {
    throw new Error('QuotaExceededError')
  }
  for (const storage of [undefined, full]) {
    const { all, did } = page({ storage })
    expect(await reloadOnce(all)).toBe(false)
    expect(did.reloads).toBe(0)
  }
})

it('is not loaded again by one that was taken away meanwhile', async () => {
  const leaving = new AbortController()
  const { all, did } = page({
    signal: leaving.signal,
    isUnderWay: () => true,
    pause: async () => leaving.abort(),
  })
  await reloadOnce(all)
  expect(did.reloads).toBe(0)
})

it('says once that it was', async () => {
  const { all, storage } = page()
  expect(takeReloadNote(storage)).toBe(false)
  await reloadOnce(all)
  expect(takeReloadNote(storage)).toBe(true)
  expect(takeReloadNote(storage)).toBe(false)
  expect(takeReloadNote(undefined)).toBe(false)
})
