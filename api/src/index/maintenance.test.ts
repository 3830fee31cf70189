import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { Maintenance } from './maintenance.ts'
import { IndexState } from './state.ts'
import { exactEngine } from './vectors/exact.ts'
import { SEAL_AT } from './vectors/store.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'terrace-maintenance-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('a full disk is cleared of what ended processes left there, without a checkpoint', async () => {
  mkdirSync(path.join(dir, 'making'))
  const left = path.join(dir, 'making', `${spawnSync('true').pid}.other.file`)
  writeFileSync(left, 'half')
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  const engine = {
    ...exactEngine(),
    open() {
      throw full
    },
  }
  const position = { epoch: 'e', seq: 0, entryId: null }
  const state = IndexState.empty(engine, position, { id: 1, dimensions: 4 })
  for (let i = 0; i < SEAL_AT; i++) state.vectors?.append(Float32Array.from([1, 0, 0, 0]))
  const maintenance = new Maintenance({
    ...{ state, dir, files: new Map(), changed: 0, log: pino({ enabled: false }) },
    ...{ worn: () => {}, written: () => {} },
  })
  maintenance.start()
  await expect.poll(() => existsSync(left)).toBe(false)
  await maintenance.close(false)
})
