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
    expect(out).toContain('bad here')
  })

  test('citations are buttons, also inside lists, tables and emphasis', () => {
    const out = html('- **Use apt [1]**\n\n| a | b |\n|---|---|\n| x [2] | y |')
    expect(out.match(/data-citation="\d"/g)).toEqual(['data-citation="1"', 'data-citation="2"'])
  })

  test('code and links hold no citations', () => {
    const out = html('`argv[1]` [see [1]](https://debian.org/)\n\n```\na[1]\n```\n')
    expect(out).not.toContain('data-citation')
    expect(out).toContain('argv[1]')
  })

  test('what is written with character references is read, and stays text', () => {
    const out = html('a &lt;b&gt; &amp; &#x1F600; &nope; &valueOf; &#0;')
    expect(out).toContain('a &lt;b&gt; &amp; 😀 &amp;nope; &amp;valueOf; \ufffd')
    expect(html('[x](javascript&#58;alert(1))')).not.toContain('<a')
  })

  test('lists keep their numbers, tasks and nesting', () => {
    expect(html('3. c\n4. d')).toMatch(/<ol start="3"/)
    expect(html('- [x] done\n- [ ] open').match(/type="checkbox"/g)).toHaveLength(2)
    expect(html('- a\n  - b [1]')).toMatch(/<ul[^>]*><li[^>]*>b/)
  })

  test('a thousand quotes or brackets in each other break nothing', () => {
    expect(html(`${'> '.repeat(3_000)}deep`)).toContain('deep')
    expect(html(`${'['.repeat(3_000)}deep`)).toContain('deep')
    expect(html(`${'- '.repeat(500)}deep`)).toContain('deep')
    expect(html(`${'*'.repeat(3_000)}deep${'*'.repeat(3_000)}`)).toContain('deep')
  })

  test('what is nested deeper than anyone writes is shown as it stands', () => {
    const quotes = html(`${'> '.repeat(40)}deep`)
    expect(quotes.match(/<blockquote/g)?.length).toBeLessThan(20)
    expect(quotes).toContain('deep')
    const stars = html(`${'*a **b '.repeat(40)}deep${' b** a*'.repeat(40)}`)
    expect(stars.match(/<strong/g)?.length).toBeLessThan(20)
    expect(stars).toContain('deep')
  })

  test('numbers without a source stay text once the sources are known', () => {
    const out = html('Yes [1], no [7].', [1])
    expect(out.match(/data-citation="\d"/g)).toEqual(['data-citation="1"'])
    expect(out).toContain('no [7].')
  })

  test('the growing end shows no half-written marks', () => {
    expect(html('Use **apt', null, true)).toMatch(/<strong[^>]*>apt<\/strong>/)
    expect(html('Use apt [1', null, true)).not.toContain('[')
  })
})
