import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { readHtml } from './html.ts'

const texts = (html: string) => readHtml(html).blocks.map(({ text }) => text)

describe('a block of many pieces', () => {
  test('has one space between two of them, wherever it was written', () => {
    expect(texts('<p>a <b> b</b><i>c </i> d<br> e<b> </b> f</p>')).toEqual(['a bc d\ne f'])
    expect(texts('<table><tr><td>1 </td><td> 2</td></tr></table>')).toEqual(['1 | 2'])
    expect(texts('<ol><li> one</li><li><b> two</b></li></ol>')).toEqual(['1. one', '2. two'])
    expect(texts('<pre>a  b\n <b> c</b></pre> d')).toEqual(['a  b\n  c', 'd'])
  })

  test('costs what its pieces cost, not every piece the whole text before it', () => {
    const html = `<p>${'<b>a</b> '.repeat(100_000)}`
    // Only a guard: it is a second's work, and was one that grew with the square of the length.
    const [text] = runInNewContext('read()', { read: () => texts(html) }, { timeout: 30_000 }) as string[]
    expect(text).toHaveLength(199_999)
  })
})
