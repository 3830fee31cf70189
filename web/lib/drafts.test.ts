import { afterEach, expect, it, vi } from 'vitest'
import { draftKey, keepDraftsOf } from './drafts.ts'

/** As much of a browser's storage as is used. */
class FakeStorage {
  readonly #items = new Map<string, string>()
  get length() {
    return this.#items.size
  }
  key(n: number): string | null {
    return this.keys()[n] ?? null
  }
  setItem(key: string, value: string) {
    this.#items.set(key, value)
  }
  removeItem(key: string) {
    this.#items.delete(key)
  }
  keys(): string[] {
    return [...this.#items.keys()]
  }
}

afterEach(() => vi.unstubAllGlobals())

it('keeps the words of who is here, and nobody else’s', () => {
  const storage = new FakeStorage()
  vi.stubGlobal('sessionStorage', storage)
  const of = (userId: string) => ['new', 'chat-1'].map((chatId) => draftKey(userId, chatId))
  const others = 'terrace-theme'
  // As an earlier version wrote it: nobody knows whose it is.
  const nobodys = 'terrace-draft:new'
  for (const key of [...of('alice'), ...of('ali'), nobodys, others]) storage.setItem(key, 'words')
  keepDraftsOf('ali')
  expect(storage.keys()).toEqual([...of('ali'), others])
  keepDraftsOf(null)
  expect(storage.keys()).toEqual([others])
})

it('does without storage', () => {
  vi.stubGlobal('sessionStorage', undefined)
  expect(() => keepDraftsOf(null)).not.toThrow()
})
