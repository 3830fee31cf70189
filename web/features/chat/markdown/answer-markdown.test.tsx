import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, test } from 'vitest'
import AnswerMarkdown from './answer-markdown.tsx'

const html = (text: string, numbers: readonly number[] | null = null, streaming = false) =>
  renderToStaticMarkup(<AnswerMarkdown text={text} numbers={numbers} streaming={streaming} />)

describe('an answer’s Markdown', () => {
  test('images are never asked for, however they are written', () => {
    const out = html(
      '![secret](https://evil.example/?q=words)\n\n<img src="https://evil.example/1">\n\n![a][r]\n\n[r]: https://evil.example/2',
    )
    expect(out).not.toMatch(/<img/)
    expect(out).not.toMatch(/<[^>]*src=/)
    expect(out).toContain('image left out: secret')
  })

  test('HTML stays text', () => {
    const out = html(
      '<script>alert(1)</script> <b onclick="x()">bold</b>\n\n<iframe src="https://evil.example"></iframe>',
    )
    expect(out).not.toMatch(/<(script|b|iframe)/)
    expect(out).toContain('&lt;script&gt;')
  })

  test('links lead only to the web or to mail, and tell nobody where they came from', () => {
    const out = html('[bad](javascript:alert(1)) [here](/api/auth/sign-out) [good](https://debian.org/doc)')
    expect(out.match(/<a /g)).toHaveLength(1)
    expect(out).toContain('href="https://debian.org/doc"')
    expect(out).toContain('rel="noopener noreferrer nofollow"')
    expect(out).toContain('<span>bad</span>')
  })

  test('citations are buttons, also inside lists, tables and emphasis', () => {
    const out = html('- **Use apt [1]**\n\n| a | b |\n|---|---|\n| x [2] | y |')
    expect(out.match(/data-citation="\d"/g)).toEqual(['data-citation="1"', 'data-citation="2"'])
  })

  test('numbers without a source stay text once the sources are known', () => {
    const out = html('Yes [1], no [7].', [1])
    expect(out.match(/data-citation="\d"/g)).toEqual(['data-citation="1"'])
    expect(out).toContain('no [7].')
  })

  test('the growing end shows no half-written marks', () => {
    expect(html('Use **apt', null, true)).toContain('<strong>apt</strong>')
    expect(html('Use apt [1', null, true)).not.toContain('[')
  })
})
