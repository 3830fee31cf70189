// A journal on disk: whole or as it was, and one process at a time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { beginLedger, readLedger } from './ledger.ts'
import { fileStore, lock } from './store.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-ledger-'))
  file = path.join(folder, 'deep', 'journal.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const IDENTITY = {
  inputs: 'a'.repeat(64),
  account: '222233334444',
  region: 'eu-west-1',
  disks: { api: 'x', web: 'y' },
  key: null,
}
const NOW = new Date('2026-11-28T12:00:00Z')
const ASKED = { name: 'api snapshot', kind: 'snapshot', token: 't', request: { VolumeSize: 1 } } as const

test('what was written is what the next process reads, and nothing else lies beside it', async () => {
  const store = fileStore(file)
  const ledger = await beginLedger(store, IDENTITY, NOW)
  await ledger.asked(ASKED)
  await ledger.made('api snapshot', 'snap-1')
  await ledger.sealing('api snapshot')
  const again = await readLedger(fileStore(file))
  expect(again?.state).toEqual(ledger.state)
  expect(again?.find('api snapshot')).toEqual({ ...ASKED, id: 'snap-1', sealing: true, state: 'made' })
  expect(again?.state.expires).toBe('2026-12-01T12:00:00.000Z')
  expect(readdirSync(path.dirname(file))).toEqual(['journal.json'])
  await again?.end()
  expect(await readLedger(store)).toBeUndefined()
})

test('a write that fails leaves the journal as it was, in memory too', async () => {
  const store = fileStore(file)
  let isFull = false
  const ledger = await beginLedger(
    {
      ...store,
      write: (text) => (isFull ? Promise.reject(new Error('no space left on device')) : store.write(text)),
    },
    IDENTITY,
    NOW,
  )
  isFull = true
  await expect(ledger.asked(ASKED)).rejects.toThrow('no space left')
  expect(ledger.find('api snapshot')).toBeUndefined()
  isFull = false
  await ledger.asked(ASKED)
})

test('what was removed makes room for another one of that name, and is remembered', async () => {
  const ledger = await beginLedger(fileStore(file), IDENTITY, NOW)
  await ledger.asked(ASKED)
  await expect(ledger.asked(ASKED)).rejects.toThrow('has api snapshot already')
  await ledger.removed('api snapshot')
  await ledger.asked({ ...ASKED, token: 'u' })
  expect(ledger.state.resources.map(({ token, state }) => [token, state])).toEqual([
    ['t', 'removed'],
    ['u', 'asked'],
  ])
})

test('no two bakes have the same name', async () => {
  const one = await beginLedger(fileStore(file), IDENTITY, NOW)
  const other = await beginLedger(fileStore(file), IDENTITY, NOW)
  expect(one.state.bake).not.toBe(other.state.bake)
})

test('one process at a time; what an ended one left is taken over', async () => {
  {
    await using _held = await lock(file)
    await expect(lock(file)).rejects.toThrow(`as process ${process.pid}`)
  }
  expect(existsSync(`${file}.lock`)).toBe(false)

  const ended = spawn(process.execPath, ['-e', ''])
  await once(ended, 'exit')
  writeFileSync(`${file}.lock`, JSON.stringify({ pid: ended.pid, start: '1' }))
  {
    await using _held = await lock(file)
    expect(JSON.parse(readFileSync(`${file}.lock`, 'utf8'))).toMatchObject({ pid: process.pid })
  }
  // A number that another process has by now, one without its start, and half a lock.
  const others = [
    { pid: process.pid, start: '1' },
    { pid: ended.pid, start: null },
  ]
  for (const text of [...others.map((one) => JSON.stringify(one)), '']) {
    writeFileSync(`${file}.lock`, text)
    await using _held = await lock(file)
  }
})
