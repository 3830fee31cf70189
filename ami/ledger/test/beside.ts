// What bakes have left beside records, for tests: a bucket with sets, and an account in which something happens meanwhile.
import type { Aws } from '../../../aws/port.ts'
import { type StandIn, standIn } from '../../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../../infra/bootstrap/names.ts'
import { SAMPLE_SETTINGS } from '../../../infra/bootstrap/sample-settings.ts'
import { LAYOUT } from '../../../infra/image-sets.ts'
import { type Retaining, retain } from '../retain.ts'

export const { account, region } = SAMPLE_SETTINGS
export const HOME = { account, region }
export const BUCKET = stateBucket(HOME)
const DAY = 86_400_000

export const hash = (digit: string) => digit.repeat(64)
/** One of each of the folders whose objects are named by a hash of what is in them. */
export const partsOf = (digit: string): string[] => [
  LAYOUT.packages(hash(digit)),
  LAYOUT.sbom(hash(digit)),
  LAYOUT.staticFiles(hash(digit)),
]

export class Bucket {
  readonly world: StandIn
  readonly said: string[] = []

  constructor(of = account) {
    this.world = standIn(of, region)
    this.world.buckets.make(BUCKET)
  }
  pass(days: number): Promise<void> {
    return this.world.clock.sleep(days * DAY)
  }
  write(key: string, text = '{}'): void {
    this.world.buckets.write(BUCKET, key, text)
  }
  isThere(key: string): boolean {
    return this.world.buckets.text(BUCKET, key) !== undefined
  }
  left(keys: readonly string[]): string[] {
    return keys.filter((key) => this.isThere(key))
  }
  /** @param digit of the hashes that it names */
  record(digit: string, more: object = {}, inputs = hash(digit)): void {
    const record = {
      ...{ inputs, release: '0.1.0', madeAt: this.world.clock.now().toISOString(), account },
      ...{ architecture: 'x86_64', bootSeconds: { api: 1, web: 1 } },
      regions: { [region]: { api: 'ami-0aaaaaaaa', web: 'ami-0bbbbbbbb' } },
      ...{ packages: hash(digit), sbom: hash(digit), pages: { build: 'b', files: hash(digit) } },
      ...more,
    }
    this.write(LAYOUT.record(inputs), JSON.stringify(record))
  }
  /** Record, and what it names. @returns its inputs */
  set(digit: string, more: object = {}, inputs = hash(digit)): string {
    for (const key of partsOf(digit)) this.write(key)
    this.record(digit, more, inputs)
    return inputs
  }
  /** c is not needed, nor is d, which has no record; a and b are. */
  async four(): Promise<void> {
    this.set('c')
    for (const key of partsOf('d')) this.write(key)
    await this.pass(30)
    this.set('b')
    this.set('a')
  }
  retain(more: Partial<Retaining> = {}, aws: Aws = this.world.aws) {
    return retain(aws, HOME, {
      ...{ keep: 2, days: 14, removes: true, agrees: async () => true },
      say: (line) => this.said.push(line),
      ...more,
    })
  }
  /**
   * An account in which something happens before, or after, a call of S3.
   * @param meets whether it is that call: of a key, or a list of what begins so
   */
  when(
    meets: (operation: string, key: string) => boolean,
    happens: () => unknown,
    order: 'before' | 'after' = 'before',
    aws: Aws = this.world.aws,
  ): Aws {
    const client = aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      const command = args[0] as {
        readonly constructor: { readonly name: string }
        readonly input: { readonly Key?: string; readonly Prefix?: string }
      }
      const isIt = meets(
        command.constructor.name.replace(/Command$/, ''),
        command.input.Key ?? command.input.Prefix ?? '',
      )
      if (isIt && order === 'before') await happens()
      const answer = await client.send(...args)
      if (isIt && order === 'after') await happens()
      return answer
    }
    return { ...aws, s3: { send } as Aws['s3'] }
  }
}
