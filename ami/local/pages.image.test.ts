// The pages of an image, built twice: in this checkout, and in a copy of it that lies elsewhere and has built nothing before.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT } from '../../local/install.mjs'
import { buildWeb, webBuildId } from '../../local/web-build.ts'
import { attempt, run } from './host.ts'

/** Name → whether it can be run, and SHA-256 of what is in it. */
function contentOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return Object.fromEntries(
    files
      .map((entry) => path.join(entry.parentPath, entry.name))
      .map((file) => [
        path.relative(folder, file),
        `${statSync(file).mode & 0o111} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`,
      ]),
  )
}

async function copyOf(checkout: string, to: string): Promise<void> {
  const { stdout } = await run({
    cwd: checkout,
  })`git -c safe.directory=${checkout} ls-files -z --cached --others --exclude-standard`
  const names = stdout.split('\0').filter((name) => name !== '' && existsSync(path.join(checkout, name)))
  await run({ cwd: checkout, input: names.join('\0') })`xargs --null cp --parents --target-directory=${to}`
  for (const place of ['', 'api', 'web', 'worker', 'ami']) {
    const modules = path.join(checkout, place, 'node_modules')
    if (!existsSync(modules)) continue
    // Links where that is possible: it is 2 GB.
    const linked = await attempt`cp --archive --link ${modules} ${path.join(to, place)}`
    if (linked.exitCode !== 0) await run`cp --archive ${modules} ${path.join(to, place)}`
  }
}

test('they are the same byte for byte', async () => {
  // Outside of this one: Tailwind looks for a repository around what it reads, and does not read what that ignores.
  const copy = mkdtempSync(path.join(tmpdir(), 'terrace-another-checkout-'))
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }))
  await copyOf(ROOT, copy)
  const program = `await (await import(${JSON.stringify(path.join(copy, 'local/web-build.ts'))})).buildWeb(() => {})`
  await run({ cwd: copy })`${process.execPath} --input-type=module --eval ${program}`
  const here = path.dirname((await buildWeb(() => {})).dir)
  const there = path.join(copy, '.native/web', webBuildId())
  expect(contentOf(there)).toEqual(contentOf(here))
  expect(Object.keys(contentOf(here)).length).toBeGreaterThan(500)
})
