import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { contains, overlaps, parseCidr } from './cidr.ts'
import { imagesFor, readImages, UnusableImages } from './images.ts'
import { SAMPLE_IMAGES } from './sample-images.ts'
import { SAMPLE_SEARCH } from './samples.ts'
import type { Stage } from './stage-schema.ts'
import { InvalidStage, isLocked, readStage, STAGE_NAMES, STAGES } from './stages.ts'

type Draft = { -readonly [Key in keyof Stage]: Stage[Key] }

/** What readStage says of a table in which a copy of `prod` (or of another stage) was changed. */
function refusal(change: (stage: Draft) => void, name: keyof typeof STAGES = 'prod'): string {
  const changed = structuredClone(STAGES[name])
  change(changed)
  try {
    readStage(name, { ...STAGES, [name]: changed })
  } catch (error) {
    if (error instanceof InvalidStage) return error.message
    throw error
  }
  return 'accepted'
}

test.for(STAGE_NAMES)('%s can be built as it stands', (name) => {
  expect(readStage(name)).toEqual(STAGES[name])
})

describe('a stage that can’t be built is refused, and the field is named', () => {
  const [vpc] = [STAGES.prod.vpc]
  const cases: Readonly<Record<string, readonly [(stage: Draft) => void, string]>> = {
    'an address that is none': [
      (s) => Object.assign(s, { vpc: '10.22.0.256/16' }),
      'vpc: 10.22.0.256/16 is not an IPv4 range',
    ],
    'a length that is none': [
      (s) => Object.assign(s, { vpc: '10.22.0.0/33' }),
      'vpc: 10.22.0.0/33 is not an IPv4 range',
    ],
    'a range that begins in the middle': [
      (s) => Object.assign(s, { vpc: '10.22.1.0/16' }),
      'does not begin where a /16 begins',
    ],
    'a VPC that AWS does not make': [(s) => Object.assign(s, { vpc: '10.0.0.0/8' }), 'AWS takes /16 to /28'],
    'subnets that overlap': [
      (s) => {
        s.subnets.app[1] = s.subnets.public[0]
      },
      'subnets.app.1: 10.22.0.0/20 overlaps public[0]’s 10.22.0.0/20',
    ],
    'a subnet outside the VPC': [
      (s) => {
        s.subnets.database[0] = '10.99.0.0/20'
      },
      `10.99.0.0/20 is not inside the VPC’s ${vpc}`,
    ],
    'a subnet too small for a load balancer': [
      (s) => {
        s.subnets.public[0] = '10.22.0.0/28'
      },
      'a /27 or larger',
    ],
    'a stage on another one’s addresses': [
      (s) => Object.assign(s, { vpc: STAGES.dev.vpc, subnets: STAGES.dev.subnets }),
      'vpc: 10.20.0.0/16 overlaps stage dev’s 10.20.0.0/16',
    ],
    'one zone twice': [
      (s) => {
        s.zones[1] = s.zones[0]
      },
      'zones: euw1-az1 stands there twice',
    ],
    'a zone by its name': [
      (s) => {
        s.zones[1] = 'eu-west-1b'
      },
      'zones.1: is not the id of an availability zone',
    ],
    'no certificate': [
      (s) => {
        s.entrance = { kind: 'certificate', domain: 'x.example.com' } as typeof s.entrance
      },
      'entrance.certificate: is missing',
    ],
    'a certificate of another region': [
      (s) => {
        if ('certificate' in s.entrance)
          s.entrance.certificate = s.entrance.certificate.replace('eu-west-1', 'us-east-1')
      },
      'entrance.certificate: is in us-east-1; the load balancer is in eu-west-1',
    ],
    'a certificate of another account': [
      (s) => {
        if ('certificate' in s.entrance)
          s.entrance.certificate = s.entrance.certificate.replace(s.account, '999999999999')
      },
      'belongs to account 999999999999',
    ],
    'no encryption in a protected stage': [
      (s) => {
        s.entrance = { kind: 'plain-http' }
      },
      'entrance: has no certificate',
    ],
    'an unknown instance type': [
      (s) => Object.assign(s.web, { instanceType: 't4g.smal' }),
      'web.instanceType',
    ],
    'two architectures': [
      (s) => {
        s.web.instanceType = 't4g.small'
      },
      't4g.small is arm64, the API’s m7i.large is x86_64',
    ],
    'CPU credits under embedding': [
      (s) => {
        s.api.instanceType = 't3.medium'
      },
      'api.instanceType: t3.medium has CPU credits',
    ],
    'one server in a protected stage': [
      (s) => {
        s.web.min = 1
      },
      'web.min: has to be at least 2',
    ],
    'more servers than the most': [
      (s) => {
        s.api.min = 9
      },
      'api: min is above max',
    ],
    'a replica without a standby': [
      (s) => {
        s.database.multiAz = false
      },
      'database.multiAz: has to be on beside a replica',
    ],
    'no room to grow': [
      (s) => {
        s.database.maxStorageGiB = s.database.storageGiB
      },
      'database.maxStorageGiB',
    ],
    'few backups in a protected stage': [
      (s) => {
        s.database.backupDays = 1
      },
      'database.backupDays: has to be at least 7',
    ],
    'servers that own a protected database': [
      (s) => {
        s.migrations = 'at-start'
      },
      'migrations: can’t be at-start',
    ],
    'a field that is none': [(s) => Object.assign(s, { flet: 'none' }), 'flet'],
    'an account that is none': [
      (s) => {
        s.account = '1234'
      },
      'account: is not an account',
    ],
    'a region that is none': [
      (s) => {
        s.region = 'europe'
      },
      'region: is not a region',
    ],
    'a model that is none': [
      (s) => {
        s.bedrockModels = ['arn:aws:bedrock:*']
      },
      'bedrockModels.0: is not the id of a model',
    ],
    'an address of mail that is none': [
      (s) => {
        s.alerts = ['operators']
      },
      'alerts.0',
    ],
  }
  test.for(Object.entries(cases))('%s', ([, [change, words]]) => {
    expect(refusal(change)).toContain(words)
  })

  test('an unknown stage', () => {
    expect(() => readStage('production')).toThrow(
      'There is no stage production: infra/stages.ts has dev, staging, prod.',
    )
    expect(() => readStage('toString')).toThrow(InvalidStage)
  })

  test('everything at once', () => {
    const both = refusal((s) => {
      s.web.min = 1
      s.database.backupDays = 2
    })
    expect(both).toContain('web.min')
    expect(both).toContain('database.backupDays')
  })
})

test('what is locked in production is not before its servers run', () => {
  expect(isLocked(STAGES.prod)).toBe(true)
  expect(isLocked({ ...STAGES.prod, fleet: 'none' })).toBe(false)
  expect(isLocked(STAGES.dev)).toBe(false)
})

test('ranges', () => {
  expect(parseCidr('10.1.0.0/16')).toEqual({ first: 167_837_696, last: 167_903_231, bits: 16 })
  expect(parseCidr('0.0.0.0/0')).toEqual({ first: 0, last: 2 ** 32 - 1, bits: 0 })
  for (const wrong of ['10.1.0.0', '10.1.0.0/', '10.1.0/16', '10.1.0.0/16 ', '-1.0.0.0/8', '10.1.0.1/31x'])
    expect(() => parseCidr(wrong)).toThrow(RangeError)
  const [a, b] = [parseCidr('10.0.0.0/24'), parseCidr('10.0.0.128/25')]
  expect([overlaps(a, b), overlaps(b, a), contains(a, b), contains(b, a)]).toEqual([true, true, true, false])
  expect(overlaps(a, parseCidr('10.0.1.0/24'))).toBe(false)
})

describe('images', () => {
  const stage = STAGES.prod

  test('the set’s ids for the stage’s region', () => {
    const made = { release: 'sample', madeAt: '2026-11-28T00:00:00Z' }
    expect(imagesFor('prod', stage, SAMPLE_IMAGES)).toEqual({
      api: { ...made, id: 'ami-0aaaaaaaaaaaaaaaa', bootSeconds: 40 },
      web: { ...made, id: 'ami-0bbbbbbbbbbbbbbbb', bootSeconds: 30 },
    })
  })

  test.for([
    [
      'region',
      { regions: { 'us-east-1': { api: 'ami-00000000', web: 'ami-00000001' } } },
      'it is in us-east-1, the stage in eu-west-1',
    ],
    ['account', { account: '999999999999' }, 'it belongs to account 999999999999'],
    ['architecture', { architecture: 'arm64' as const }, 'it is arm64, m7i.large and t3.medium are x86_64'],
  ] as const)('of another %s are refused', ([, change, words]) => {
    expect(() => imagesFor('prod', stage, { ...SAMPLE_IMAGES, ...change })).toThrow(words)
  })

  test('a missing record says which bake is meant; a damaged one which field', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'terrace-images-'))
    try {
      const read = () => readImages('prod', stage, 'candidate', folder)
      expect(read).toThrow(UnusableImages)
      expect(read).toThrow(
        /prod-candidate\.json is missing.*\n.*api and web for x86_64 in eu-west-1, account 111122223333/,
      )
      const file = path.join(folder, 'prod-candidate.json')
      writeFileSync(file, '{')
      expect(read).toThrow('is not the record of an image set')
      writeFileSync(
        file,
        JSON.stringify({ ...SAMPLE_IMAGES, regions: { 'eu-west-1': { api: 'x', web: 'ami-00000000' } } }),
      )
      expect(read).toThrow('regions.eu-west-1.api: is not an image id')
      writeFileSync(file, JSON.stringify(SAMPLE_IMAGES))
      expect(read()).toEqual(imagesFor('prod', stage, SAMPLE_IMAGES))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('a search domain', () => {
  const problems = (name: 'dev' | 'prod', search: object) => {
    try {
      readStage(name, { [name]: { ...STAGES[name], search } })
      return ''
    } catch (error) {
      return error instanceof Error ? error.message : ''
    }
  }
  test('may stand in a stage, and needs nothing of managers where nothing is protected', () => {
    expect(problems('prod', SAMPLE_SEARCH)).toBe('')
    const { managers: _, ...without } = SAMPLE_SEARCH
    expect(problems('dev', { ...without, instanceType: 't3.medium.search' })).toBe('')
  })
  test.each<[string, object, RegExp]>([
    ['an odd number of nodes', { instances: 3 }, /search\.instances: has to be even/],
    ['no nodes', { instances: 0 }, /search\.instances/],
    ['a type of no price', { instanceType: 'm3.large.search' }, /search\.instanceType/],
    ['no managers', { managers: undefined }, /search\.managers: are needed in a protected stage/],
    [
      'credits',
      { instanceType: 't3.medium.search' },
      /search\.instanceType: t3\.medium\.search has CPU credits/,
    ],
    ['too small a disk', { volumeGiB: 5 }, /search\.volumeGiB/],
    ['an unknown engine', { engine: 'faiss' }, /search\.engine/],
    ['what nobody knows', { nodes: 2 }, /nodes/],
  ])('%s is refused by name', (_name, changes, sentence) => {
    expect(problems('prod', { ...SAMPLE_SEARCH, ...changes })).toMatch(sentence)
  })
  test('a disk that its type has not is refused', () => {
    const { managers: _, ...without } = SAMPLE_SEARCH
    const large = { ...without, instanceType: 't3.medium.search', volumeGiB: 500 }
    expect(problems('dev', large)).toMatch(/search\.volumeGiB: t3\.medium\.search has disks up to 200 GiB/)
  })
})
