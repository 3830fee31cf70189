// The commands as a person calls them, as far as they ask AWS nothing.
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { typed, Unasked } from '../ask.ts'
import { STAGES } from '../stages.ts'
import { InvalidSettings, readSettings } from './settings.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const run = promisify(execFile)
/** Without credentials, and without anywhere to get them: an attempt to ask AWS would fail. */
const OFFLINE = { PATH: process.env.PATH ?? '', AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' }

async function command(file: string, args: readonly string[]) {
  try {
    const { stdout, stderr } = await run(process.execPath, [file, ...args], { cwd: ROOT, env: OFFLINE })
    return { code: 0, stdout, stderr }
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string }
  }
}
const ARGUMENTS = [
  ...['--account', '222233334444', '--region', 'eu-west-1'],
  ...['--alert-email', 'operators@example.com', '--budget', '500'],
]
const bootstrap = (...args: string[]) => command('infra/bootstrap/command.ts', args)

test('the policy and the template are written without AWS, and are all that standard output has', async () => {
  const [policy, template] = await Promise.all([
    bootstrap(...ARGUMENTS, '--print-policy'),
    bootstrap(...ARGUMENTS, '--ci', 'github:acme/terrace', '--template'),
  ])
  expect([policy.code, policy.stderr, template.code, template.stderr]).toEqual([0, '', 0, ''])
  const { Version, Statement } = JSON.parse(policy.stdout)
  expect([Version, Statement.length > 5]).toEqual(['2012-10-17', true])
  expect(JSON.parse(template.stdout).Resources.State.Properties.BucketName).toBe(
    'terrace-state-222233334444-eu-west-1',
  )
})

test('the rights are shown first of all, also when there are no credentials', async () => {
  const { code, stdout, stderr } = await bootstrap(...ARGUMENTS, '--yes')
  expect(code).toBe(1)
  expect(stdout).toMatch(/^The rights that this needs, and no others:\n\{\n {2}"Version"/)
  expect(stderr).toMatch(/^There are no credentials for AWS/)
})

test('where nobody can be asked, nobody has agreed', async () => {
  await expect(typed('Type prod: ', 'prod')).rejects.toThrow(Unasked)
})

test('a stage is never taken down because nobody named one', async () => {
  const { code, stderr } = await command('infra/destroy/command.ts', ['--yes'])
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^--stage : there is dev, staging, prod\./)])
})

test('stages of the example’s account have nothing to take down, and no images to fetch', async () => {
  const [gone, images] = await Promise.all([
    command('infra/destroy/command.ts', ['--stage', 'prod', '--yes']),
    command('infra/images-pull-command.ts', ['--stage', 'prod']),
  ])
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('has the example’s account')])
  expect([images.code, images.stderr]).toEqual([
    1,
    expect.stringContaining('still has the example’s account'),
  ])
})

test('what is asked for is understood', () => {
  expect(readSettings([...ARGUMENTS, '--ci', 'github:acme/terrace', '--yes'])).toEqual({
    settings: {
      account: '222233334444',
      region: 'eu-west-1',
      alertEmail: 'operators@example.com',
      budget: 500,
      // Those of the stages in this region.
      zones: ['euw1-az1', 'euw1-az2'],
      ci: 'acme/terrace',
    },
    yes: true,
    profile: undefined,
    mode: 'apply',
  })
  // As GitHub names repositories that were made, or renamed, since July 2026.
  expect(readSettings([...ARGUMENTS, '--ci', 'github:acme@12/terrace@345']).settings.ci).toBe(
    'acme@12/terrace@345',
  )
  const narrowed = readSettings([
    ...ARGUMENTS,
    ...[
      '--ci',
      'github:acme/terrace',
      '--ci-environment',
      'production',
      '--hosted-zones',
      'Z0PROD,Z0STAGING',
    ],
  ]).settings
  expect(narrowed).toMatchObject({ ciEnvironment: 'production', hostedZones: ['Z0PROD', 'Z0STAGING'] })
})

const without = (option: string) => ARGUMENTS.toSpliced(ARGUMENTS.indexOf(option), 2)
const WRONG: Readonly<Record<string, [readonly string[], RegExp]>> = {
  'no account': [without('--account'), /^--account is missing/m],
  'a short account': [[...without('--account'), '--account', '123'], /^--account is not an account/m],
  'no region': [without('--region'), /^--region is missing/m],
  'no region of AWS': [[...without('--region'), '--region', 'Ireland'], /^--region is not a region/m],
  'nobody to tell': [without('--alert-email'), /^--alert-email is not an address/m],
  'no budget': [without('--budget'), /^--budget is not a number/m],
  'nothing to spend': [[...without('--budget'), '--budget', '0'], /^--budget has to be above 0/m],
  'a repository elsewhere': [
    [...ARGUMENTS, '--ci', 'gitlab:acme/terrace'],
    /^--ci is not github:OWNER\/REPO/m,
  ],
  'every repository': [[...ARGUMENTS, '--ci', 'github:acme/*'], /^--ci is not github:OWNER\/REPO/m],
  'an environment of nothing': [
    [...ARGUMENTS, '--ci-environment', 'production'],
    /^--ci-environment goes with --ci/m,
  ],
  'every environment': [
    [...ARGUMENTS, '--ci', 'github:acme/terrace', '--ci-environment', '*'],
    /^--ci-environment is not the name of an environment/m,
  ],
  'an environment that is a subject': [
    [...ARGUMENTS, '--ci', 'github:acme/terrace', '--ci-environment', 'a:ref:refs/heads/main'],
    /^--ci-environment is not the name of an environment/m,
  ],
  'every hosted zone by hand': [[...ARGUMENTS, '--hosted-zones', '*'], /^--hosted-zones are not the ids/m],
  'no hosted zone': [[...ARGUMENTS, '--hosted-zones', ''], /^--hosted-zones are not the ids/m],
  'more hosted zones than a policy holds': [
    [...ARGUMENTS, '--hosted-zones', Array(11).fill('Z0PROD').join(',')],
    /^--hosted-zones are not the ids of at most ten/m,
  ],
  'hosted zones without those of the stages': [
    [...without('--account'), '--account', STAGES.prod.account, '--hosted-zones', 'Z0OTHER'],
    /^--hosted-zones lack Z0EXAMPLE0STAGING, .*which infra\/stages\.ts has/m,
  ],
  'a region without stages': [
    [...without('--region'), '--region', 'us-east-1'],
    /^--zones are missing: no stage in infra\/stages\.ts is in us-east-1/m,
  ],
  'one zone twice': [[...ARGUMENTS, '--zones', 'euw1-az1,euw1-az1'], /^--zones are twice the same/m],
  'names of zones': [[...ARGUMENTS, '--zones', 'eu-west-1a,eu-west-1b'], /^--zones is not the id/m],
  'two documents at once': [[...ARGUMENTS, '--template', '--print-policy'], /takes one of them/],
  'an option that there is not': [[...ARGUMENTS, '--force'], /--force/],
}
test.each(Object.entries(WRONG))('%s is refused in words', (_name, [args, message]) => {
  expect(() => readSettings(args)).toThrow(InvalidSettings)
  expect(() => readSettings(args)).toThrow(message)
  expect(() => readSettings(args)).toThrow(/npm run bootstrap -- --account/)
})
