// What can go wrong with a builder on an instance: said in words, and nothing is left of it; or the next run goes on.
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { bake } from '../bake/bake.ts'
import { BUCKET, pagesOf as pagesIn } from '../bake/test/kitchen.ts'
import type { Kitchen } from '../bake/work.ts'
import {
  begin,
  CHECKED,
  consoles,
  EC2,
  finish,
  kitchen,
  machines,
  mortal,
  nothingIsLeft,
  now,
  run,
} from './test/far-bake.ts'
import type { FarWorld } from './test/far-workshop.ts'

beforeEach(begin)
afterEach(finish)

describe('a machine', () => {
  test('that never gets to work is shown with its console, and ended', async () => {
    const { instances } = now.world.compute
    instances.program = (id) => instances.says(id, 'terrace-builder: packages of Debian\nE: no such mirror\n')
    await expect(run()).rejects.toThrow(
      /builder i-\w+ has not begun to work after 25 minutes.*no such mirror/s,
    )
    nothingIsLeft()
  })

  test('that never gets ready is ended, and what AWS’s own checks say of it is told', async () => {
    now.world.compute.instances.neverReady = true
    await expect(run()).rejects.toThrow(
      /builder (i-\w+) has not begun to work after 25 minutes, and AWS’s own checks have not passed \(of its host: initializing; of itself: initializing\)\. Its console is empty\.$/,
    )
    expect(machines()).toHaveLength(1)
    nothingIsLeft()
  })

  test('that ends half-way is shown with its console', async () => {
    const { instances } = now.world.compute
    now.more = (id) => ({
      builder: {
        lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
        make: async () => {
          instances.says(id, 'Out of memory: Killed process 4711 (node)\n')
          instances.powerOff(id)
          return new Promise(() => {})
        },
        boot: async () => ({}),
      },
    })
    // What it makes never comes: nobody is to wait for that.
    now.far = { ...now.far, idle: async () => undefined }
    await expect(run()).rejects.toThrow(
      /builder (i-\w+) ended and did not say.*Out of memory.*\1 was terminated/s,
    )
    nothingIsLeft()
  })

  test('whose builder fails says why, in its words', async () => {
    now.more = () => ({
      builder: {
        lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
        make: async () => Promise.reject(new Error('mmdebstrap made no root')),
        boot: async () => ({}),
      },
    })
    await expect(run()).rejects.toThrow('mmdebstrap made no root')
    nothingIsLeft()
  })

  test.each([
    ['progress', 65_537],
    ['answer', 16 * 2 ** 20 + 1],
  ] as const)('that writes more than a %s can be is not read, and ended', async (name, bytes) => {
    const { buckets } = now.world
    now.more = () => ({
      builder: {
        lists: async () => {
          const orders = buckets.keys(BUCKET).find((key) => key.endsWith('/orders.json')) ?? ''
          const order = JSON.parse(buckets.text(BUCKET, orders) ?? '')
          const key = new URL(order[name]).pathname.slice(`/${BUCKET}/`.length)
          buckets.write(BUCKET, key, 'x'.repeat(bytes))
          return new Promise(() => {})
        },
        make: async () => Promise.reject(new Error('nobody asks for that')),
        boot: async () => ({}),
      },
    })
    now.far = { ...now.far, idle: async () => undefined }
    await expect(run()).rejects.toThrow(
      new RegExp(`${name}.json has ${bytes} bytes, and ${bytes - 1} at most`),
    )
    nothingIsLeft()
  })

  test('that writes what terminals obey is shown as it is', async () => {
    const hostile = '\u001b]0;title\u0007\u001b[2J\u202eall is well\r\n\u001b[31mno\tspace'
    const { instances } = now.world.compute
    now.more = (id) => ({
      builder: {
        lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
        make: async (_tier, _facts, _lists, _file, report) => {
          report(hostile)
          // A report is told after two seconds.
          await pause(2_500)
          instances.says(id, hostile)
          instances.powerOff(id)
          throw new Error(hostile)
        },
        boot: async () => ({}),
      },
    })
    const shown: string[] = []
    const perform: Kitchen['perform'] = async (steps) => {
      for (const step of steps)
        if ('work' in step)
          await step.work({
            title: '',
            set output(text: string) {
              shown.push(text)
            },
          })
    }
    const failure = await run({}, {}, { perform }).catch((error: Error) => error)
    if (!(failure instanceof Error)) throw new Error('it has passed')
    // As a report, and as why it failed.
    expect(shown.join('\n')).toContain('\\u{202e}all is well')
    shown.push(failure.message)
    expect(failure.message).toContain('\\u{202e}all is well')
    expect(failure.message).toContain('\nno  space')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    for (const text of shown) expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
  })

  test('whose pages are others is not asked for images of them', async () => {
    now.more = (id) => ({ pages: pagesIn(path.join(now.folder, id), () => 'two') })
    await expect(run()).rejects.toThrow('build one here and two on the builder')
    expect(now.done).toEqual([])
    nothingIsLeft()
  })
})

test('what comes is not what was sent: nothing of it stays, and nothing is uploaded', async () => {
  const s3 = now.far.aws.s3 as { send: (command: { input: { Key?: string } }) => Promise<object> }
  const send = async (command: { input: { Key?: string } }) => {
    const answer = await s3.send(command)
    if (command.constructor.name !== 'GetObjectCommand' || !command.input.Key?.includes('/disk-'))
      return answer
    const Body = { transformToByteArray: async () => Buffer.from('torn') }
    return { ...answer, Body }
  }
  const aws = { ...now.far.aws, s3: { send } as unknown as FarWorld['aws']['s3'] }
  await expect(run({ aws })).rejects.toThrow('is not what was sent: its checksum differs')
  const [inputs = ''] = readdirSync(path.join(now.folder, 'disks'))
  expect(readdirSync(path.join(now.folder, 'disks', inputs)).filter((name) => name.includes('.raw'))).toEqual(
    [],
  )
  expect(now.world.calls.some(({ operation }) => operation === 'StartSnapshot')).toBe(false)
  nothingIsLeft()
})

test('no room on this machine is said before the disk is sent', async () => {
  await expect(run({ room: () => 100 * 2 ** 20 })).rejects.toThrow(
    'has 100 MiB left, and an image of 1 is to come',
  )
  expect(consoles()).not.toContain('send')
  nothingIsLeft()
})

test.each(['PutObject', 'GetObject', 'DescribeInstances', 'DeleteObjects', 'ListObjectsV2'])(
  '%s is slowed down, and its answer is lost: one machine, one set',
  async (operation) => {
    // While the machine works: what comes before is not the builder’s.
    now.more = () => {
      now.world.faults.add({ operation, call: 2, times: 2, error: FAULTS.throttled() })
      now.world.faults.add({ operation, call: 1, error: FAULTS.noAnswer(), answer: 'lost' })
      return {}
    }
    expect(await run({}, { previous: 'none' })).toMatchObject({ outcome: 'set', made: true })
    expect(machines()).toHaveLength(1)
    nothingIsLeft()
  },
)

test('no answer is heard to the call that starts it: there is one', async () => {
  now.world.faults.add({ operation: 'RunInstances', error: FAULTS.noAnswer(), answer: 'lost' })
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(machines()).toHaveLength(1)
  nothingIsLeft()
})

test('one that can’t be ended is named, and why the bake failed, too; the next run ends it', async () => {
  now.more = () => {
    now.world.faults.add({
      operation: 'TerminateInstances',
      times: 1_000,
      error: FAULTS.denied('ec2:TerminateInstances'),
    })
    return {}
  }
  const look = async () => Promise.reject(new Error('CVE-2026-1'))
  const { inspection } = kitchen()
  await expect(run({}, {}, { inspection: { ...inspection, look } })).rejects.toThrow(
    /CVE-2026-1\n.*i-\w+ could not be terminated.*costs money/s,
  )
  expect(machines()[0]?.state).toBe('running')
  now.world.faults.clear()
  now.more = () => ({})
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(machines()).toHaveLength(1)
  nothingIsLeft()
})

test('a run that was ended leaves a machine with its disks to the next one', async () => {
  const never = new Promise<never>(() => {})
  const { store, end } = mortal()
  const first = kitchen({ store })
  const died = Promise.withResolvers<void>()
  const inspection = {
    ...first.inspection,
    look: async () => {
      died.resolve()
      return never
    },
  }
  void bake(EC2, { ...first, inspection }).catch(() => {})
  await died.promise
  // As an ended process leaves it: its lock is taken over, and it does nothing any more.
  end()
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(now.done).toEqual(['make api', 'make web', 'here: look api web', 'boot api web'])
  expect(machines()).toHaveLength(1)
})

test('a machine that does not have the disks any more is given them: what is booted is what is uploaded', async () => {
  const failing = kitchen()
  const inspection = { ...failing.inspection, look: async () => Promise.reject(new Error('CVE-2026-1')) }
  await expect(bake(EC2, { ...failing, inspection })).rejects.toThrow('CVE-2026-1')
  expect(machines()).toHaveLength(1)
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(now.done).toEqual(['make api', 'make web', 'here: look api web', 'boot api web'])
  expect(machines()).toHaveLength(2)
  expect(consoles()).toContain('take web')
  nothingIsLeft()
})

test('a machine that has ended since: the next run gives its orders to another one', async () => {
  const { store, end } = mortal()
  await kitchen({ store }).builder.lists(CHECKED)
  end()
  const [first] = machines()
  now.world.compute.instances.powerOff(first?.id ?? '')
  expect(await run()).toMatchObject({ outcome: 'set' })
  expect(machines()).toHaveLength(2)
  nothingIsLeft()
})

test('a machine of other sources is ended, and another one is started', async () => {
  const { store, end } = mortal()
  await kitchen({ store }).builder.lists(CHECKED)
  end()
  writeFileSync(path.join(now.folder, 'checkout', 'package.json'), '{"version":"0.1.1"}\n')
  expect(await run()).toMatchObject({ outcome: 'set' })
  expect(machines()).toHaveLength(2)
  expect(now.said).toContain('A builder that was begun here is of other sources: it goes.')
  nothingIsLeft()
})

test('somebody presses Ctrl-C: the machine and the objects go', async () => {
  now.more = () => ({
    builder: {
      lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
      make: async () => {
        now.ending.abort()
        throw new Error('too late')
      },
      boot: async () => ({}),
    },
  })
  await expect(run()).rejects.toThrow()
  nothingIsLeft()
})
