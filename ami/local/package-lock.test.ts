import { expect, test } from 'vitest'
import { mirrors } from './host.ts'
import { hashOfLock, parseUri, sourcesList } from './package-lock.ts'

const HASH = 'a'.repeat(64)

test('a line of apt becomes a locked package, its version as dpkg says it', () => {
  expect(
    parseUri(
      `'http://m/pool/l/libcap2_2.75-10%2bdeb13u1_amd64.deb' libcap2_1%3a2.75-10+deb13u1_amd64.deb 27292 SHA256:${HASH}`,
    ),
  ).toEqual({
    name: 'libcap2',
    version: '1:2.75-10+deb13u1',
    architecture: 'amd64',
    sha256: HASH,
    bytes: 27292,
  })
})

test('a package without a SHA-256 is refused, and the mirror is not named', () => {
  const line = `'http://mirror.example/x.deb' x_1_all.deb 5 MD5Sum:${'b'.repeat(32)}`
  expect(() => parseUri(line)).toThrow(/x_1_all\.deb/)
  expect(() => parseUri(line)).not.toThrow(/mirror\.example/)
})

test('another version or another file makes another list', () => {
  const one = { name: 'a', version: '1', architecture: 'amd64', sha256: HASH, bytes: 1 }
  const hashes = [one, { ...one, version: '2' }, { ...one, sha256: 'b'.repeat(64) }].map((p) =>
    hashOfLock([p]),
  )
  expect(new Set(hashes).size).toBe(3)
})

test('mirrors that are said win, and every archive is of the suite and signed', async () => {
  const said = await mirrors({
    DEBIAN_MIRROR: 'http://one.example/debian/',
    DEBIAN_SECURITY_MIRROR: 'http://two.example/debian-security',
  })
  expect(said).toEqual({ main: 'http://one.example/debian', security: 'http://two.example/debian-security' })
  expect(sourcesList(said).trim().split('\n')).toEqual([
    expect.stringMatching(/^deb \[.*signed-by=.*\] http:\/\/one\.example\/debian trixie main$/),
    expect.stringMatching(/^deb \[.*signed-by=.*\] http:\/\/one\.example\/debian trixie-updates main$/),
    expect.stringMatching(
      /^deb \[.*signed-by=.*\] http:\/\/two\.example\/debian-security trixie-security main$/,
    ),
  ])
})
