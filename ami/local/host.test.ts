import { expect, test } from 'vitest'
import { addressesByHttps } from './host.ts'

test('a machine that reaches others by HTTPS alone uses its own mirrors, or those that are named', () => {
  expect(addressesByHttps({})).toEqual({
    mirrors: { main: undefined, security: undefined },
    modelUrl: undefined,
  })
  const DEBIAN_MIRROR = 'https://mirror.example.com:8443/archive/debian/20261101T000000Z/'
  expect(addressesByHttps({ DEBIAN_MIRROR, MODEL_URL: 'https://models.example.com/bge/' })).toMatchObject({
    mirrors: { main: 'https://mirror.example.com:8443/archive/debian/20261101T000000Z' },
    modelUrl: 'https://models.example.com/bge',
  })
})

test.each([
  'http://mirror.example.com/debian',
  'https://mirror.example.com/debian main; reboot',
  'mirror',
  "https://a/'b",
])('%s is refused in words', (DEBIAN_SECURITY_MIRROR) => {
  expect(() => addressesByHttps({ DEBIAN_SECURITY_MIRROR })).toThrow('reaches others by HTTPS alone')
})
