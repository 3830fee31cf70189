// The self-check finds nothing where all is well, and says what is wrong where something is.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import pino from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EMBEDDER_WEIGHTS } from '../../../contract/weights.ts'
import { exactEngine } from '../index/vectors/exact.ts'
import type { Seeker, VectorEngine } from '../index/vectors/port.ts'
import { findWeights } from '../models/weights.ts'
import { selfCheck } from './self-check.ts'

const MODEL_DIR = process.env.MODEL_DIR ?? path.resolve(import.meta.dirname, '../../../.native/models')
const log = pino({ level: 'silent' })
const hasWeights = (await findWeights(MODEL_DIR)).state === 'found'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-self-check-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Whose scans offer something else than they should. */
const offering = (change: (seeker: Seeker) => Seeker['offer']): VectorEngine => {
  const engine = exactEngine()
  return {
    name: 'faiss',
    lostBytes: 0,
    open(file, dimensions) {
      const segment = engine.open(file, dimensions)
      return {
        count: segment.count,
        scanCost: segment.scanCost,
        scan: (seekers) => segment.scan(seekers.map((one) => ({ ...one, offer: change(one) }))),
        read: (...range) => segment.read(...range),
        close: () => segment.close(),
      }
    },
  }
}

test('weights that are missing are said', async () => {
  const [only, ...more] = await selfCheck({ modelDir: folder, log, engine: exactEngine() })
  expect(only).toContain(`the weights of ${EMBEDDER_WEIGHTS.model} are missing: ${folder}`)
  expect(more).toEqual([])
})

test('weights that are others are said, and nothing is read of them', async () => {
  const { folder: name, files } = EMBEDDER_WEIGHTS
  mkdirSync(path.join(folder, name), { recursive: true })
  writeFileSync(path.join(folder, name, files.model.name), 'no weights')
  expect(await selfCheck({ modelDir: folder, log, engine: exactEngine() })).toEqual([
    expect.stringMatching(/is not the pinned file/),
  ])
})

test('an addon that can not be loaded is said', async () => {
  expect(await selfCheck({ modelDir: MODEL_DIR, log, engine: null })).toEqual([
    'FAISS’s addon can not be loaded',
  ])
})

describe.runIf(hasWeights)('with the weights', () => {
  const check = (engine: VectorEngine, more = {}) => selfCheck({ modelDir: MODEL_DIR, log, engine, ...more })

  test('a sample is read, embedded and found: nothing is wrong', async () => {
    expect(await check(exactEngine())).toEqual([])
  })

  test('as a program, with FAISS where it is there: the result is a file', async () => {
    const result = path.join(folder, 'result.json')
    await promisify(execFile)(process.execPath, [
      path.join(import.meta.dirname, 'process.ts'),
      MODEL_DIR,
      result,
    ])
    const { findings } = JSON.parse(readFileSync(result, 'utf8'))
    expect([[], ['FAISS’s addon can not be loaded']]).toContainEqual(findings)
  })

  test('an engine that reckons wrongly is found out', async () => {
    const wrong = offering(
      (seeker) => (label, lower, upper) => seeker.offer(label, lower + 0.01, upper + 0.01),
    )
    expect(await check(wrong)).toEqual([expect.stringMatching(/scores of \d+ passages are not those/)])
    const nothing = offering((seeker) => (label) => seeker.offer(label, Number.NaN, Number.NaN))
    expect(await check(nothing)).toEqual([expect.stringMatching(/scores of \d+ passages are not those/)])
  })

  test('an engine that finds nothing, or not the best, is found out', async () => {
    expect(await check(offering(() => () => undefined))).toEqual(['FAISS has found nothing'])
    const best = { label: -1, lower: Number.NEGATIVE_INFINITY }
    await check(
      offering((seeker) => (label, lower, upper) => {
        if (lower > best.lower) Object.assign(best, { label, lower })
        seeker.offer(label, lower, upper)
      }),
    )
    const passing = offering((seeker) => (label, lower, upper) => {
      if (label !== best.label) seeker.offer(label, lower, upper)
    })
    expect(await check(passing)).toEqual([expect.stringMatching(/found first is not the one with/)])
  })

  test('a file that no parser reads is said, with why', async () => {
    const file = path.join(folder, 'broken.pdf')
    writeFileSync(file, '%PDF-1.7 and no more')
    const [only] = await check(exactEngine(), { sample: { file, question: 'What?', expected: 'that' } })
    expect(only).toMatch(/FILE_DAMAGED|damaged/i)
  })
})
