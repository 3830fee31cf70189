// What people can do to an upload, before and meanwhile.
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { RegisterImageCommand, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { standIn } from '../../aws/stand-in/stand-in.ts'
import { placeImage } from '../ec2/fixture.ts'
import { writeSet } from '../image-set/record.ts'
import { beginLedger } from '../ledger/ledger.ts'
import { fileStore, lock } from '../ledger/store.ts'
import {
  begin,
  disk,
  end,
  endingAt,
  HOME,
  journal,
  journals,
  newWorld,
  nothingIsThere,
  now,
  onlyWhatIsRecorded,
  run,
} from './fixture.ts'

beforeEach(begin)
afterEach(end)

describe('what people do', () => {
  test('credentials of another account: nothing is asked but who it is', async () => {
    now.publication = { ...now.publication, account: '555566667777' }
    await expect(run()).rejects.toMatchObject({ kind: 'wrong-account' })
    expect(now.world.calls.map(({ operation }) => operation)).toEqual(['GetCallerIdentity'])
  })

  test('no bootstrap: said before anything is made', async () => {
    now.world = standIn(HOME.account, HOME.region)
    await expect(run()).rejects.toThrow(/There is no bucket terrace-state-.*npm run bootstrap/)
    expect(now.world.calls.map(({ service }) => service)).not.toContain('ebs')
  })

  test.each([
    [
      'the disk is not there',
      () => rmSync(now.publication.tiers.api.file),
      /can’t be read\. Nothing was sent/,
    ],
    ['the disk is empty', () => writeFileSync(now.publication.tiers.api.file, ''), /is no disk: it is empty/],
    [
      'the disk is not the tested one',
      () => appendFileSync(now.publication.tiers.api.file, 'more'),
      /was changed while it was read.*Removed: snap-/,
    ],
  ])('%s', async (_, spoil, words) => {
    spoil()
    await expect(run()).rejects.toThrow(words)
    nothingIsThere(now.world)
  })

  test('the disk is changed while it is read', async () => {
    const { file } = now.publication.tiers.api
    let changed = false
    const progress = () => {
      if (!changed) appendFileSync(file, 'more')
      changed = true
    }
    await expect(run(now.world.aws, { progress })).rejects.toThrow(/was changed while it was read/)
    nothingIsThere(now.world)
  })

  test('an image too big for its volume', async () => {
    const { file } = now.publication.tiers.api
    const { truncateSync } = await import('node:fs')
    truncateSync(file, 2 ** 30 + 1)
    now.publication = {
      ...now.publication,
      tiers: { ...now.publication.tiers, api: { ...now.publication.tiers.api, volumeGiB: 1 } },
    }
    await expect(run()).rejects.toThrow(/too big for its volume: it has 1\.00 GiB and needs 2.*to have 1\./)
    nothingIsThere(now.world)
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
    const client = now.world.aws.ec2 as { send: (...args: unknown[]) => Promise<unknown> }
    let theirs: string | undefined
    const send = async (...args: unknown[]) => {
      const [command] = args
      if (command instanceof RegisterImageCommand) {
        const snapshot = now.world.compute.snapshots.begin({
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
    await expect(run({ ...now.world.aws, ec2: { send } as Aws['ec2'] })).rejects.toThrow(
      /has the name of this bake’s image.*left as it is\..*Removed: snap-/,
    )
    expect([...now.world.compute.images.all.keys()]).toEqual([theirs])
  })

  test('an instance that the journal still names is ended: when the set is recorded, and when it is taken back', async () => {
    for (const isTakenBack of [false, true]) {
      const { tiers, inputs, key = null } = now.publication
      const disks = { api: tiers.api.checksum, web: tiers.web.checksum }
      const other = newWorld()
      const { images, instances, snapshots } = other.compute
      placeImage(other, 'ami-0debian')
      const { Instances: [started] = [] } = await other.aws.ec2.send(
        new RunInstancesCommand({ ImageId: 'ami-0debian', MinCount: 1, MaxCount: 1, ClientToken: 't' }),
      )
      images.all.clear()
      snapshots.all.clear()
      const identity = { inputs, ...HOME, disks, key }
      const ledger = await beginLedger(fileStore(journal()), identity, other.clock.now())
      // Its answer was not heard.
      await ledger.asked({ name: 'builder', kind: 'instance', token: 't', request: {} })
      if (isTakenBack) {
        other.faults.add({ operation: 'RegisterImage', error: new Error('no') })
        await expect(run(other.aws)).rejects.toThrow(`Removed: ${started?.InstanceId}`)
      } else onlyWhatIsRecorded(other, await run(other.aws))
      expect([...instances.all.values()].map(({ state }) => state)).toEqual([
        expect.stringMatching(/shutting-down|terminated/),
      ])
    }
  })

  test('two at once on one machine: the second is told who has it', async () => {
    await using _held = await lock(journal())
    await expect(run()).rejects.toThrow(
      `Another bake of the same inputs is running here, as process ${process.pid}`,
    )
  })

  test('two at once on two machines: one set, and the second’s own is removed', async () => {
    const theirs = {
      ...now.publication,
      regions: { [HOME.region]: { api: 'ami-0aaaaaaaa', web: 'ami-0bbbbbbbb' } },
    }
    const { tiers: _, key: __, ...set } = theirs
    const client = now.world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      if ((args[0] as object).constructor.name === 'PutObjectCommand')
        await writeSet(now.world.aws, HOME, set)
      return client.send(...args)
    }
    expect(await run({ ...now.world.aws, s3: { send } as Aws['s3'] })).toEqual(set)
    expect(now.world.compute.images.all.size).toBe(0)
    expect(now.world.compute.snapshots.all.size).toBe(0)
    expect(readdirSync(journals())).toEqual([])
  })

  test.each([
    [
      'other disks',
      async () => ({ ...now.publication, tiers: { ...now.publication.tiers, api: await disk('again', 3) } }),
    ],
    ['another key', async () => ({ ...now.publication, key: undefined })],
    [
      'too late',
      async () => {
        await now.world.clock.sleep(3 * 86_400_000)
        return now.publication
      },
    ],
  ])('%s for the same inputs: what was begun before is removed', async (_, change) => {
    const ending = endingAt(6, 'before', now.world)
    await run(ending.aws).catch(() => undefined)
    now.publication = await change()
    const set = await run()
    expect(now.said.join('\n')).toContain('is of other disks')
    onlyWhatIsRecorded(now.world, set)
  })

  test('a recorded image was deregistered: said, and nothing is made', async () => {
    const set = await run()
    const id = set.regions[HOME.region]?.web ?? ''
    now.world.compute.images.all.delete(id)
    await expect(run()).rejects.toThrow(`${id} can’t be used any more`)
  })

  test('a journal that nobody can read is not overwritten', async () => {
    await fileStore(journal()).write('half a jour')
    await expect(run()).rejects.toThrow(/is not the journal of a bake/)
    expect(readFileSync(journal(), 'utf8')).toBe('half a jour')
  })
})
