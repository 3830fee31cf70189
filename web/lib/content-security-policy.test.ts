import { describe, expect, it } from 'vitest'
import { contentSecurityPolicy } from './content-security-policy.ts'

const directives = (header: string) =>
  header.split(',').map((policy) =>
    Object.fromEntries(
      policy
        .trim()
        .split(/; */)
        .map((each) => each.split(/ (.*)/, 2)),
    ),
  )

describe('the policy of a page', () => {
  it('lets no inline script run, and asks every script for the nonce', () => {
    const [page, scripts] = directives(contentSecurityPolicy({ nonce: 'abc' }))
    expect(page?.['script-src']).toBe("'self' 'nonce-abc'")
    expect(scripts?.['script-src']).toBe("'nonce-abc' 'strict-dynamic'")
    expect(page?.['default-src']).toBe("'none'")
    expect(page?.['style-src-elem']).not.toContain('unsafe')
  })

  it('lets the page talk to this server only, and to the model endpoint where there is one', () => {
    const [alone] = directives(contentSecurityPolicy({ nonce: 'abc' }))
    expect(alone?.['connect-src']).toBe("'self'")
    const [both] = directives(
      contentSecurityPolicy({ nonce: 'abc', modelEndpoint: 'https://model.example/v1?x=1' }),
    )
    expect(both?.['connect-src']).toBe("'self' https://model.example")
  })
})
