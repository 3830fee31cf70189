import { describe, expect, test } from 'vitest'
import { splitCitations } from './citations.ts'

const any = () => true

describe('citation marks', () => {
  test('a mark becomes its number, with the blank before it gone', () => {
    expect(splitCitations('Use apt [1]. Or aptitude [12]', any)).toEqual([
      { text: 'Use apt' },
      { numbers: [1] },
      { text: '. Or aptitude' },
      { numbers: [12] },
    ])
  })

  test('marks side by side and lists are one group', () => {
    expect(splitCitations('Yes [1][2] [3], [4, 5]', any)).toEqual([
      { text: 'Yes' },
      { numbers: [1, 2, 3] },
      { text: ',' },
      { numbers: [4, 5] },
    ])
  })

  test('what is not a citation stays text', () => {
    const words = 'a[i], [x], [1234], [], [-1], [1.5]'
    expect(splitCitations(words, any)).toEqual([{ text: words }])
    expect(splitCitations('Yes [1] [9]', (n) => n < 5)).toEqual([
      { text: 'Yes' },
      { numbers: [1] },
      { text: ' [9]' },
    ])
    expect(splitCitations('Both [1, 9]', (n) => n < 5)).toEqual([{ text: 'Both [1, 9]' }])
    expect(splitCitations('', any)).toEqual([])
  })
})
