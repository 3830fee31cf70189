// From disks to an image set, over the stand-in: ended at every step, with every answer lost, with everything that AWS
// and people can do meanwhile.
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PutSnapshotBlockCommandInput } from '@aws-sdk/client-ebs'
import { RegisterImageCommand } from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Aws, SERVICES } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { writeSet } from '../image-set/record.ts'
import { fileStore, type LedgerStore, lock } from '../ledger/store.ts'
import { BLOCK_BYTES, checksumOf, digestOf } from './disk.ts'
import { type Publication, type Publishing, publish } from './publish.ts'

const HOME = { account: '222233334444', region: 'eu-west-1' }
const INPUTS = 'a'.repeat(64)
const KEY = 'arn:aws:kms:eu-west-1:222233334444:key/11111111-2222-3333-4444-555555555555'

let folder: string
let world: StandIn
let publication: Publication
let said: string[]
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-upload-'))
  world = newWorld()
  said = []
  publication = {
    inputs: INPUTS,
    release: '2026.11.28',
    madeAt: '2026-11-28T12:00:00Z',
    account: HOME.account,
    architecture: 'x86_64',
    bootSeconds: { api: 20, web: 15 },
    key: KEY,
    tiers: { api: await disk('api', 3.5), web: await disk('web', 2) },
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function newWorld(): StandIn {
  const made = standIn(HOME.account, HOME.region)
  made.buckets.make(stateBucket(HOME))
  return made
}

/** Of so many blocks; the second one is all zeros. */
async function disk(name: string, blocks: number) {
  const file = path.join(folder, `${name}.raw`)
  const bytes = Buffer.alloc(blocks * BLOCK_BYTES)
  for (let at = 0; at < bytes.length; at += 4096)
    if (at < BLOCK_BYTES || at >= 2 * BLOCK_BYTES) bytes.write(`${name} ${at}`, at)
  writeFileSync(file, bytes)
  return { file, checksum: await checksumOf(file) }
}

const journals = () => path.join(folder, 'journals')
const publishing = (more: Partial<Publishing> = {}): Publishing => ({
  folder: journals(),
  workers: 2,
  say: (line) => said.push(line),
  ...more,
})
const run = (aws: Aws = world.aws, more: Partial<Publishing> = {}) =>
  publish(aws, publication, publishing(more))

/** Nothing is there but what the record names, and nothing has to be remembered. */
function onlyWhatIsRecorded(
  of: StandIn,
  set: { regions: Record<string, { api: string; web: string }> },
): void {
  const { api, web } = set.regions[HOME.region] ?? {}
  expect([...of.compute.images.all.keys()].sort()).toEqual([api, web].sort())
  const used = [...of.compute.images.all.values()].map(({ snapshot }) => snapshot)
  expect([...of.compute.snapshots.all.keys()].sort()).toEqual(used.sort())
  expect(of.buckets.keys(stateBucket(HOME))).toEqual([LAYOUT.record(INPUTS)])
  expect(readdirSync(journals())).toEqual([])
}
function nothingIsThere(of: StandIn): void {
  expect([...of.compute.images.all.keys()]).toEqual([])
  expect([...of.compute.snapshots.all.keys()]).toEqual([])
  expect(of.buckets.keys(stateBucket(HOME))).toEqual([])
  expect(readdirSync(journals())).toEqual([])
}

test('every block is in the snapshot, zeros too and the last one filled up; the image is what a server needs', async () => {
  const set = await run()
  const image = world.compute.images.all.get(set.regions[HOME.region]?.api ?? '')
  expect(image).toMatchObject({
    state: 'available',
    bootMode: 'uefi',
    imds: 'v2.0',
    ena: true,
    architecture: 'x86_64',
    virtualization: 'hvm',
  })
  const snapshot = world.compute.snapshots.all.get(image?.snapshot ?? '')
  expect(snapshot).toMatchObject({ state: 'completed', encrypted: true, key: KEY, volumeSize: 1 })
  const bytes = Buffer.alloc(4 * BLOCK_BYTES)
  readFileSync(publication.tiers.api.file).copy(bytes)
  expect([...(snapshot?.digests.keys() ?? [])].sort()).toEqual([0, 1, 2, 3])
  for (const [index, digest] of snapshot?.digests ?? [])
    expect(digest).toEqual(digestOf(bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)))
  expect(JSON.parse(world.buckets.text(stateBucket(HOME), LAYOUT.record(INPUTS)) ?? '')).toEqual(set)
  onlyWhatIsRecorded(world, set)
})

test('everything that is made carries from its first moment whose it is, and until when', async () => {
  await run()
  const made = [...world.compute.snapshots.all.values(), ...world.compute.images.all.values()]
  expect(made).toHaveLength(4)
  for (const { tags } of made) {
    expect(tags.get('service')).toBe('terrace')
    expect(tags.get('terrace-inputs')).toBe(INPUTS)
    expect(tags.get('terrace-bake')).toMatch(/^[0-9a-f]{16}$/)
    expect(Date.parse(tags.get('terrace-expires') ?? '')).toBeGreaterThan(world.clock.now().getTime())
  }
})

test('the same inputs again: the same set, and nothing is asked of EBS', async () => {
  const set = await run()
  const from = world.calls.length
  expect(await run()).toEqual(set)
  expect(world.calls.slice(from).map(({ operation }) => operation)).toEqual([
    'GetCallerIdentity',
    'GetObject',
    'DescribeImages',
  ])
})

/** The process ends at a step: nothing that comes after it has an effect. `after`: the step itself still has its. */
function endingAt(step: number, when: 'before' | 'after', of: StandIn) {
  let steps = 0
  let isDead = false
  const take = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isDead) throw new Error('ended')
    const isLast = ++steps === step
    if (isLast && when === 'before') isDead = true
    if (isDead) throw new Error('ended')
    const [result] = await Promise.allSettled([work()])
    if (isLast) isDead = true
    if (isDead) throw new Error('ended')
    if (result.status === 'rejected') throw result.reason
    return result.value
  }
  const clients = SERVICES.map((service) => {
    const client = of.aws[service] as { send: (...args: unknown[]) => Promise<unknown> }
    return [service, { send: (...args: unknown[]) => take(() => client.send(...args)) }]
  })
  const aws: Aws = { ...of.aws, ...Object.fromEntries(clients) }
  const store = (file: string): LedgerStore => {
    const real = fileStore(file)
    return {
      place: file,
      read: () => take(() => real.read()),
      write: (text) => take(() => real.write(text)),
      remove: () => take(() => real.remove()),
    }
  }
  return { aws, store, steps: () => steps, isDead: () => isDead }
}
const journal = () => path.join(journals(), `${HOME.account}-${HOME.region}-${INPUTS}.json`)

test('ended at every step, before it and after it, the next run makes the same set, and nothing is left behind', async () => {
  const whole = endingAt(0, 'after', world)
  const expected = await run(whole.aws, { store: whole.store(journal()) })
  const steps = whole.steps()
  expect(steps).toBeGreaterThan(25)
  for (const when of ['before', 'after'] as const)
    for (let step = 1; step <= steps; step++) {
      const other = newWorld()
      rmSync(journals(), { recursive: true, force: true })
      const ending = endingAt(step, when, other)
      await run(ending.aws, { store: ending.store(journal()) }).catch(() => undefined)
      expect(ending.isDead(), `step ${step}`).toBe(true)
      const set = await run(other.aws)
      expect(set, `${when} step ${step}`).toEqual(expected)
      onlyWhatIsRecorded(other, set)
    }
})

test('ended twice, and what was confirmed is not put again', async () => {
  const puts = () =>
    world.calls
      .filter(({ operation }) => operation === 'PutSnapshotBlock')
      .map(({ input }) => (input as unknown as PutSnapshotBlockCommandInput).BlockIndex)
  for (const step of [6, 6]) {
    const ending = endingAt(step, 'before', world)
    await run(ending.aws, { workers: 1 }).catch(() => undefined)
  }
  const set = await run(world.aws, { workers: 1 })
  expect(puts().length).toBe(4 + 2)
  onlyWhatIsRecorded(world, set)
})

describe('an answer that is lost', () => {
  test.each([
    'GetCallerIdentity',
    'StartSnapshot',
    'PutSnapshotBlock',
    'CompleteSnapshot',
    'DescribeSnapshots',
    'RegisterImage',
    'DescribeImages',
    'PutObject',
  ])('%s: the next run at the latest makes one set', async (operation) => {
    world.faults.add({ operation, error: FAULTS.noAnswer(), answer: 'lost' })
    const set = await run().catch(() => run())
    onlyWhatIsRecorded(world, set)
  })

  test('CompleteSnapshot: this run itself goes on, as the snapshot tells', async () => {
    world.faults.add({ operation: 'CompleteSnapshot', error: FAULTS.noAnswer(), answer: 'lost' })
    onlyWhatIsRecorded(world, await run())
  })

  test('RegisterImage, and the client asks again itself: the image is found by its name', async () => {
    let first = true
    const client = world.aws.ec2 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      const isRegister = (args[0] as object).constructor.name === 'RegisterImageCommand'
      if (isRegister && first) {
        first = false
        await client.send(...args)
      }
      return client.send(...args)
    }
    world.compute.snapshots.lag = 20_000
    const set = await run({ ...world.aws, ec2: { send } as Aws['ec2'] })
    onlyWhatIsRecorded(world, set)
  })
})

describe('what AWS does', () => {
  test('what was just made is not known at once', async () => {
    world.compute.snapshots.lag = 30_000
    onlyWhatIsRecorded(world, await run())
  })

  test('slowed down, and mistakes of its own: the blocks are put until they are confirmed', async () => {
    const throttled = Object.assign(new Error('slow down'), {
      name: 'RequestThrottledException',
      $metadata: { httpStatusCode: 400 },
    })
    const broken = Object.assign(new Error('internal'), {
      name: 'InternalServerException',
      $metadata: { httpStatusCode: 500 },
    })
    world.faults.add({ operation: 'StartSnapshot', times: 2, error: throttled })
    world.faults.add({ operation: 'PutSnapshotBlock', times: 5, error: throttled })
    world.faults.add({ operation: 'PutSnapshotBlock', call: 4, times: 3, error: broken })
    world.faults.add({ operation: 'CompleteSnapshot', times: 2, error: broken })
    onlyWhatIsRecorded(world, await run())
  })

  test('a block that is damaged on its way is put again', async () => {
    world.blocks.damages = 2
    onlyWhatIsRecorded(world, await run())
  })

  test('a block that is refused each time: which one, and nothing is left', async () => {
    world.blocks.damages = 1_000
    await expect(run()).rejects.toThrow(/AWS refused block \d of snap-\w+:.*Removed: snap-/)
    nothingIsThere(world)
  })

  test('no block gets through: said, kept, and the next run goes on', async () => {
    const error = Object.assign(new Error('internal'), { $metadata: { httpStatusCode: 500 } })
    world.faults.add({ operation: 'PutSnapshotBlock', call: 2, times: 100_000, error })
    await expect(run()).rejects.toThrow(/No block got through to snap-\w+ for \d+ minutes.*Kept: snap-/)
    world.faults.clear()
    const set = await run()
    expect(set.regions[HOME.region]?.api).toBe(`ami-${'1'.padStart(17, '0')}`)
    onlyWhatIsRecorded(world, set)
  })

  test('a snapshot that stays pending: said after an hour, kept, and the next run waits on', async () => {
    world.compute.snapshots.stuck = true
    await expect(run()).rejects.toThrow(/snap-\w+ is not completed after 60 minutes\. Kept: snap-\w+\./)
    for (const snapshot of world.compute.snapshots.all.values()) snapshot.state = 'completed'
    world.compute.snapshots.stuck = false
    onlyWhatIsRecorded(world, await run())
  })

  test('a snapshot that AWS gave up meanwhile is replaced', async () => {
    const ending = endingAt(6, 'before', world)
    await run(ending.aws).catch(() => undefined)
    await world.clock.sleep(25 * 3_600_000)
    expect([...world.compute.snapshots.all.values()].map(({ state }) => state)).toEqual(['error'])
    const set = await run()
    expect(said.join('\n')).toContain('is given up by AWS: another one is begun')
    onlyWhatIsRecorded(world, set)
  })

  test('an image that fails: why, and nothing is left', async () => {
    world.compute.images.failing = 'Snapshot could not be read'
    await expect(run()).rejects.toThrow(
      /ami-\w+ is failed: Snapshot could not be read\. Removed: ami-\w+, snap-/,
    )
    nothingIsThere(world)
  })

  test('credentials that run out: everything is kept, and the next run goes on', async () => {
    world.faults.add({ operation: 'PutSnapshotBlock', call: 3, times: 100, error: FAULTS.expired() })
    const failed = run()
    await expect(failed).rejects.toMatchObject({ name: 'AwsProblem', kind: 'credentials-expired' })
    await expect(failed).rejects.toThrow(/sign in again.*Kept: snap-\w+\. The same command goes on from here/)
    world.faults.clear()
    onlyWhatIsRecorded(world, await run())
  })
})

describe('what people do', () => {
  test('credentials of another account: nothing is asked but who it is', async () => {
    publication = { ...publication, account: '555566667777' }
    await expect(run()).rejects.toMatchObject({ kind: 'wrong-account' })
    expect(world.calls.map(({ operation }) => operation)).toEqual(['GetCallerIdentity'])
  })

  test('no bootstrap: said before anything is made', async () => {
    world = standIn(HOME.account, HOME.region)
    await expect(run()).rejects.toThrow(/There is no bucket terrace-state-.*npm run bootstrap/)
    expect(world.calls.map(({ service }) => service)).not.toContain('ebs')
  })

  test.each([
    ['the disk is not there', () => rmSync(publication.tiers.api.file), /can’t be read\. Nothing was sent/],
    ['the disk is empty', () => writeFileSync(publication.tiers.api.file, ''), /is no disk: it is empty/],
    [
      'the disk is not the tested one',
      () => appendFileSync(publication.tiers.api.file, 'more'),
      /was changed while it was read.*Removed: snap-/,
    ],
  ])('%s', async (_, spoil, words) => {
    spoil()
    await expect(run()).rejects.toThrow(words)
    nothingIsThere(world)
  })

  test('the disk is changed while it is read', async () => {
    const { file } = publication.tiers.api
    let changed = false
    const progress = () => {
      if (!changed) appendFileSync(file, 'more')
      changed = true
    }
    await expect(run(world.aws, { progress })).rejects.toThrow(/was changed while it was read/)
    nothingIsThere(world)
  })

  test('an image too big for its volume', async () => {
    const { file } = publication.tiers.api
    const { truncateSync } = await import('node:fs')
    truncateSync(file, 2 ** 30 + 1)
    publication = {
      ...publication,
      tiers: { ...publication.tiers, api: { ...publication.tiers.api, volumeGiB: 1 } },
    }
    await expect(run()).rejects.toThrow(/too big for its volume: it has 1\.00 GiB and needs 2.*to have 1\./)
    nothingIsThere(world)
  })

  test('somebody presses Ctrl-C: everything is taken back, also what was only asked for', async () => {
    for (const operation of ['StartSnapshot', 'PutSnapshotBlock', 'CompleteSnapshot', 'RegisterImage']) {
      const other = newWorld()
      const pressed = new AbortController()
      const client = (operation === 'RegisterImage' ? other.aws.ec2 : other.aws.ebs) as {
        send: (...args: unknown[]) => Promise<unknown>
      }
      const send = async (...args: unknown[]) => {
        const result = await client.send(...args)
        const isMeant = (args[0] as object).constructor.name === `${operation}Command`
        if (!isMeant || pressed.signal.aborted) return result
        pressed.abort()
        throw pressed.signal.reason
      }
      const aws = { ...other.aws, [operation === 'RegisterImage' ? 'ec2' : 'ebs']: { send } } as Aws
      await expect(run(aws, { signal: pressed.signal }), operation).rejects.toThrow(
        /The bake was ended\. Removed: /,
      )
      nothingIsThere(other)
    }
  })

  test('Ctrl-C before AWS shows what it has just made: it is taken back once it is seen', async () => {
    for (const operation of ['StartSnapshot', 'RegisterImage']) {
      const other = newWorld()
      other.compute.snapshots.lag = 40_000
      const pressed = new AbortController()
      const service = operation === 'RegisterImage' ? 'ec2' : 'ebs'
      const client = other.aws[service] as { send: (...args: unknown[]) => Promise<unknown> }
      const send = async (...args: unknown[]) => {
        const result = await client.send(...args)
        if ((args[0] as object).constructor.name === `${operation}Command`) pressed.abort()
        return result
      }
      const aws = { ...other.aws, [service]: { send } } as Aws
      await expect(run(aws, { signal: pressed.signal }), operation).rejects.toThrow('The bake was ended.')
      nothingIsThere(other)
    }
  })

  test('somebody else’s image of the same name is neither used nor removed', async () => {
    const client = world.aws.ec2 as { send: (...args: unknown[]) => Promise<unknown> }
    let theirs: string | undefined
    const send = async (...args: unknown[]) => {
      const [command] = args
      if (command instanceof RegisterImageCommand) {
        const snapshot = world.compute.snapshots.begin({
          volumeSize: 1,
          encrypted: false,
          key: undefined,
          description: '',
          tags: new Map(),
        })
        snapshot.state = 'completed'
        const BlockDeviceMappings = [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: snapshot.id } }]
        const other = new RegisterImageCommand({ ...command.input, BlockDeviceMappings })
        theirs = ((await client.send(other)) as { ImageId: string }).ImageId
      }
      return client.send(...args)
    }
    await expect(run({ ...world.aws, ec2: { send } as Aws['ec2'] })).rejects.toThrow(
      /has the name of this bake’s image.*left as it is\..*Removed: snap-/,
    )
    expect([...world.compute.images.all.keys()]).toEqual([theirs])
  })

  test('two at once on one machine: the second is told who has it', async () => {
    await using _held = await lock(journal())
    await expect(run()).rejects.toThrow(
      `Another bake of the same inputs is running here, as process ${process.pid}`,
    )
  })

  test('two at once on two machines: one set, and the second’s own is removed', async () => {
    const theirs = {
      ...publication,
      regions: { [HOME.region]: { api: 'ami-0aaaaaaaa', web: 'ami-0bbbbbbbb' } },
    }
    const { tiers: _, key: __, ...set } = theirs
    const client = world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      if ((args[0] as object).constructor.name === 'PutObjectCommand') await writeSet(world.aws, HOME, set)
      return client.send(...args)
    }
    expect(await run({ ...world.aws, s3: { send } as Aws['s3'] })).toEqual(set)
    expect(world.compute.images.all.size).toBe(0)
    expect(world.compute.snapshots.all.size).toBe(0)
    expect(readdirSync(journals())).toEqual([])
  })

  test.each([
    [
      'other disks',
      async () => ({ ...publication, tiers: { ...publication.tiers, api: await disk('again', 3) } }),
    ],
    ['another key', async () => ({ ...publication, key: undefined })],
    [
      'too late',
      async () => {
        await world.clock.sleep(3 * 86_400_000)
        return publication
      },
    ],
  ])('%s for the same inputs: what was begun before is removed', async (_, change) => {
    const ending = endingAt(6, 'before', world)
    await run(ending.aws).catch(() => undefined)
    publication = await change()
    const set = await run()
    expect(said.join('\n')).toContain('is of other disks')
    onlyWhatIsRecorded(world, set)
  })

  test('a recorded image was deregistered: said, and nothing is made', async () => {
    const set = await run()
    const id = set.regions[HOME.region]?.web ?? ''
    world.compute.images.all.delete(id)
    await expect(run()).rejects.toThrow(`${id} can’t be used any more`)
  })

  test('a journal that nobody can read is not overwritten', async () => {
    await fileStore(journal()).write('half a jour')
    await expect(run()).rejects.toThrow(/is not the journal of a bake/)
    expect(readFileSync(journal(), 'utf8')).toBe('half a jour')
  })
})

test('progress ends at the size of the disk', async () => {
  const seen: number[] = []
  await run(world.aws, { progress: (tier, { done }) => tier === 'api' && seen.push(done) })
  expect(seen.at(-1)).toBe(3.5 * BLOCK_BYTES)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
})
