// What tests of `apply` and `plan` stand on: an account of one's own, image sets on the disk, and what was printed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { hashOf, LAYOUT } from '../image-sets.ts'
import type { ImageSet } from '../images.ts'
import { SAMPLE_IMAGES } from '../sample-images.ts'
import { EXAMPLE_ACCOUNT } from '../stage-schema.ts'
import { STAGES } from '../stages.ts'
import type { Surroundings } from './apply.ts'
import { ACCOUNT, BUCKET } from './rehearsal.ts'

/** The table with an account of one's own in it. */
export const TABLE: Readonly<Record<string, unknown>> = JSON.parse(
  JSON.stringify(STAGES).replaceAll(EXAMPLE_ACCOUNT, ACCOUNT),
)
export const changed = (stage: 'dev' | 'staging', database: object): Readonly<Record<string, unknown>> => ({
  ...TABLE,
  [stage]: {
    ...JSON.parse(JSON.stringify(TABLE[stage])),
    database: { ...STAGES[stage].database, ...database },
  },
})

/** What is live in both, by the state bucket. */
export const SET = { ...SAMPLE_IMAGES, account: ACCOUNT }
export const { api: API = '', web: WEB = '' } = SET.regions['eu-west-1'] ?? {}

const folder = mkdtempSync(path.join(tmpdir(), 'terrace-apply-'))
for (const stage of ['dev', 'staging'])
  writeFileSync(path.join(folder, `${stage}-live.json`), JSON.stringify(SET))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

export const images = (at = folder) => ['--param', `images-folder=${at}`]
export const staging = (...more: string[]) => ['--stage', 'staging', ...images(), ...more]
export const NONE = ['--param', 'fleet=none']

/** One who sits at a terminal, or nobody. */
export class Operator {
  readonly world: StandIn
  readonly questions: string[] = []
  readonly stop = new AbortController()
  printed = ''

  constructor(world = standIn(ACCOUNT)) {
    this.world = world
    world.buckets.make(BUCKET)
    for (const stage of ['dev', 'staging'] as const) this.pointTo(stage, SET)
    world.compute.images.pageSize = 1
    for (const id of [API, WEB]) world.compute.images.put(id)
  }

  /** An image set becomes what is live in a stage. */
  pointTo(stage: 'dev' | 'staging', set: ImageSet): void {
    const pointer = { inputs: set.inputs, sha256: hashOf(set) }
    this.world.buckets.write(BUCKET, LAYOUT.record(set.inputs), JSON.stringify(set))
    this.world.buckets.write(BUCKET, LAYOUT.pointer(stage, 'live'), JSON.stringify(pointer))
  }

  /** @param answer undefined: there is no terminal */
  around(answer: string | undefined, table = TABLE): Surroundings {
    const print = (text: string) => {
      this.printed += text
    }
    const ask = async (question: string): Promise<string> => {
      this.questions.push(question)
      return answer ?? ''
    }
    return {
      connect: () => this.world.aws,
      signal: this.stop.signal,
      table,
      print,
      complain: print,
      ask: answer === undefined ? undefined : ask,
    }
  }
}
