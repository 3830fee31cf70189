import { describe, expect, it } from 'vitest'
import { safeReturnPath, signInPath } from './session.ts'

describe('where signing in leads back to', () => {
  it('keeps addresses of this site', () => {
    expect(safeReturnPath('/chats/1?x=a%2Fb#end')).toBe('/chats/1?x=a%2Fb#end')
    expect(signInPath('/chats/1?x=2')).toBe('/sign-in?next=%2Fchats%2F1%3Fx%3D2')
  })

  it('leads to the start page instead of anywhere else', () => {
    for (const bad of [
      'https://evil.example',
      '//evil.example',
      '/\\evil.example',
      '\\\\evil.example',
      '/\t/evil.example',
      '/\n//evil.example',
      'javascript:alert(1)',
      '/.//evil.example',
      'evil',
      ['/a'],
      undefined,
    ])
      expect(safeReturnPath(bad)).toBe('/')
  })
})
