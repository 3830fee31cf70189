import { describe, expect, test } from 'vitest'
import { type HastNode, rehypeCitations, splitCitations } from './citations.ts'

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

  test('code and links are left alone', () => {
    const element = (tagName: string, value: string): HastNode => ({
      type: 'element',
      tagName,
      children: [{ type: 'text', value }],
    })
    const tree: HastNode = {
      type: 'root',
      children: [element('p', 'Say [1]'), element('code', 'a[1]'), element('a', '[1]')],
    }
    rehypeCitations({ known: any })(tree)
    expect(tree.children?.map((child) => child.children)).toEqual([
      [
        { type: 'text', value: 'Say' },
        { type: 'element', tagName: 'citation', properties: { numbers: '1' }, children: [] },
      ],
      [{ type: 'text', value: 'a[1]' }],
      [{ type: 'text', value: '[1]' }],
    ])
  })
})
