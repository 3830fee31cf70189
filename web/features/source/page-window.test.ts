import { describe, expect, test } from 'vitest'
import { growDown, growUp, openAt, pageNumbers, WINDOW_PAGES } from './page-window.ts'

describe('the window of pages', () => {
  test('opens at the cited page and its next', () => {
    expect(pageNumbers(openAt(7, 300))).toEqual([7, 8])
    expect(pageNumbers(openAt(300, 300))).toEqual([300])
    expect(pageNumbers(openAt(1, 1))).toEqual([1])
  })

  test('an address with a wrong page opens at a page that exists', () => {
    for (const wrong of [0, -3, Number.NaN]) expect(openAt(wrong, 300).first).toBe(1)
    expect(openAt(999, 300)).toEqual({ first: 300, last: 300 })
    expect(openAt(2.7, 300).first).toBe(2)
  })

  test('grows to both ends and never beyond them', () => {
    let window = openAt(5, 9)
    window = growDown(window, 9)
    expect(window).toEqual({ first: 5, last: 9 })
    expect(growDown(window, 9)).toEqual(window)
    window = growUp(growUp(window))
    expect(window).toEqual({ first: 1, last: 9 })
    expect(growUp(window)).toEqual(window)
  })

  test('stays short, however far one scrolls', () => {
    let window = openAt(1, 5_000)
    for (let n = 0; n < 100; n++) window = growDown(window, 5_000)
    expect(window.last).toBe(302)
    expect(pageNumbers(window)).toHaveLength(WINDOW_PAGES)
    for (let n = 0; n < 50; n++) window = growUp(window)
    expect(pageNumbers(window)).toHaveLength(WINDOW_PAGES)
    expect(window.first).toBe(273 - 150)
  })
})
