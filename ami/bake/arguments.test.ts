import { expect, test } from 'vitest'
import { readBakeLine } from './arguments.ts'

const read = (line: string) => readBakeLine(line.split(' ').filter(Boolean), true)
const PLACE = '--region eu-west-1 --account 222233334444'

test('both images to an account, or one disk that stays here', () => {
  expect(read(`--builder local --tier all ${PLACE} --profile bakes`)).toEqual({
    builder: 'local',
    tiers: ['api', 'web'],
    home: { account: '222233334444', region: 'eu-west-1' },
    profile: 'bakes',
    dryRun: false,
    allowDirty: false,
    previous: 'usual',
    bootTest: 'ec2',
  })
  expect(read('--builder local --tier web --no-upload --dry-run --allow-dirty')).toMatchObject({
    tiers: ['web'],
    home: undefined,
    dryRun: true,
    allowDirty: true,
    previous: 'none',
    bootTest: 'none',
  })
  expect(read(`--builder local --tier all ${PLACE} --boot-test none`).bootTest).toBe('none')
  expect(read(`--builder ec2 --tier all ${PLACE}`)).toMatchObject({ builder: 'ec2', tiers: ['api', 'web'] })
  const previous = (given: string) => read(`--builder local --tier all ${PLACE} --previous ${given}`).previous
  expect(['latest', 'none', 'a'.repeat(12)].map(previous)).toEqual([
    'latest',
    'none',
    { set: 'a'.repeat(12) },
  ])
})

test.each([
  ['--builder ec2 --tier all --no-upload', '--builder ec2 needs an account'],
  [`--builder packer --tier all ${PLACE}`, '--builder packer: there is local and ec2'],
  [`--builder local ${PLACE}`, 'there is api, web and all'],
  [`--builder local --tier worker ${PLACE}`, '--tier worker'],
  [`--builder local --tier api ${PLACE}`, 'an image set has both'],
  ['--builder local --tier all', 'is no account'],
  ['--builder local --tier all --account 222233334444 --region Ireland', '--region Ireland is no region'],
  [`--builder local --tier all --no-upload ${PLACE}`, '--no-upload sends nothing'],
  [`--builder local --tier all ${PLACE} --previous abc`, 'at least 12 digits'],
  ['--builder local --tier all --no-upload --previous latest', 'no account is asked'],
  [`--builder local --tier all ${PLACE} --boot-test local`, 'there is ec2 and none'],
  ['--builder local --tier all --no-upload --boot-test ec2', '--boot-test has no meaning'],
  ['--builder local --tier all --force', "Unknown option '--force'"],
])('%s is refused in words, with how it is meant', (line, why) => {
  expect(() => read(line)).toThrow(why)
  expect(() => read(line)).toThrow('npm run bake -- [--builder local|ec2]')
})

test('who names no builder gets one of the account where AWS is asked, and this machine elsewhere', () => {
  const builder = (line: string, isAws = true) => readBakeLine(line.split(' '), isAws).builder
  expect(builder(`--tier all ${PLACE}`)).toBe('ec2')
  expect(builder(`--tier all ${PLACE}`, false)).toBe('local')
  expect(builder('--tier api --no-upload')).toBe('local')
})
