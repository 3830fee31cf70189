// Amazon's download hosts in small: packages that dpkg-deb has made and gpg has signed, by HTTP on this machine.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Whether this machine can make packages and signatures at all. */
export const HAS_TOOLS = ['/usr/bin/dpkg-deb', '/usr/bin/gpg', '/usr/bin/gpgconf'].every((file) =>
  existsSync(file),
)

export interface Amazon extends AsyncDisposable {
  readonly url: string
  /** Path below `url` → what is answered; nothing: 404. */
  readonly served: Map<string, Buffer>
  readonly asked: string[]
}

export async function serveAmazon(): Promise<Amazon> {
  const served = new Map<string, Buffer>()
  const asked: string[] = []
  const server = http.createServer((request, response) => {
    const place = request.url ?? ''
    asked.push(place)
    const body = served.get(place)
    response.writeHead(body === undefined ? 404 : 200).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    served,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/**
 * @param files place in the package → text
 * @param script what its installation runs; of these it must never run
 * @returns the bytes of a package
 */
export function makePackage(
  name: string,
  version: string,
  files: Readonly<Record<string, string>>,
  script = 'exit 1',
): Buffer {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-deb-'))
  try {
    const root = path.join(folder, 'root')
    const put = (place: string, text: string, mode = 0o644) => {
      mkdirSync(path.dirname(path.join(root, place)), { recursive: true })
      writeFileSync(path.join(root, place), text, { mode })
    }
    put(
      'DEBIAN/control',
      `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: nobody <nobody@example.com>\nDescription: for a test\n`,
    )
    put('DEBIAN/postinst', `#!/bin/sh\n${script}\n`, 0o755)
    for (const [place, text] of Object.entries(files)) put(place, text, 0o755)
    chmodSync(path.join(root, 'DEBIAN'), 0o755)
    execFileSync('dpkg-deb', ['--root-owner-group', '--build', root, path.join(folder, 'made.deb')], {
      stdio: 'pipe',
    })
    return readFileSync(path.join(folder, 'made.deb'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export interface TestKey extends Disposable {
  readonly fingerprint: string
  /** As a page or a file has it. */
  readonly publicKey: Buffer
  sign(bytes: Buffer): Buffer
}

/** A key that signs; it ends with its folder. */
export function makeKey(name: string): TestKey {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-gpg-'))
  chmodSync(home, 0o700)
  const gpg = (args: readonly string[], input?: Buffer) =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--passphrase', '', ...args], {
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  gpg(['--quick-generate-key', `${name} <${name}@example.com>`, 'ed25519', 'sign', 'never'])
  const listed = gpg(['--with-colons', '--list-keys']).toString()
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? ''
  return {
    fingerprint,
    publicKey: gpg(['--armor', '--export']),
    sign: (bytes) => gpg(['--detach-sign', '--output', '-'], bytes),
    [Symbol.dispose]() {
      execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'], { stdio: 'pipe' })
      rmSync(home, { recursive: true, force: true })
    },
  }
}
