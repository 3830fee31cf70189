import { expect, test } from 'vitest'
import { addressKey, clientAddress } from './address.ts'

test('only what our own proxies wrote counts', () => {
  const cases: [string | string[] | undefined, number, string][] = [
    // One proxy: it wrote the last entry; what stands left of it is the client's invention.
    ['203.0.113.7', 1, '203.0.113.7'],
    ['1.2.3.4, 203.0.113.7', 1, '203.0.113.7'],
    [['1.2.3.4', '203.0.113.7'], 1, '203.0.113.7'],
    ['1.2.3.4,5.6.7.8,203.0.113.7, 10.0.0.2', 2, '203.0.113.7'],
    ['2001:db8::1', 1, '2001:db8::1'],
    // Nobody of ours in front: the header is worth nothing.
    ['1.2.3.4', 0, '127.0.0.1'],
    // Shorter than our proxies would have made it, or no address.
    ['1.2.3.4', 2, '127.0.0.1'],
    [undefined, 1, '127.0.0.1'],
    ['', 1, '127.0.0.1'],
    ['1.2.3.4, <script>', 1, '127.0.0.1'],
  ]
  for (const [header, hops, expected] of cases)
    expect(clientAddress(header, '127.0.0.1', hops)).toBe(expected)
})

test('a customer’s IPv6 network is one client, and an IPv4 address in IPv6 clothes is itself', () => {
  expect(addressKey('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2')
  expect(addressKey('2001:db8:1:2::ffff')).toBe(addressKey('2001:db8:1:2:3:4:5:6'))
  expect(addressKey('::ffff:203.0.113.7')).toBe('203.0.113.7')
  expect(addressKey('203.0.113.7')).toBe('203.0.113.7')
  expect(addressKey('nonsense')).toBe('unknown')
})
