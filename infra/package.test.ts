// `serverless package` as people call it, in a process without credentials and with nothing that could be reached.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCommandLine } from './command-line.ts'
import { SAMPLE_IMAGES } from './sample-images.ts'
import { sample } from './samples.ts'
import { service } from './service.ts'
import { EXAMPLE_ACCOUNT } from './stage-schema.ts'
import { InvalidStage, STAGES } from './stages.ts'

const ROOT = path.dirname(import.meta.dirname)
const run = promisify(execFile)
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-package-'))
  writeFileSync(path.join(folder, 'prod-live.json'), JSON.stringify(SAMPLE_IMAGES))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function serverless(...args: string[]): Promise<{ code: number; output: string }> {
  const program = path.join(ROOT, 'node_modules/serverless/bin/serverless.js')
  const nowhere = 'http://127.0.0.1:9'
  const env = {
    HOME: folder,
    PATH: process.env.PATH,
    AWS_ENDPOINT_URL: nowhere,
    HTTPS_PROXY: nowhere,
    HTTP_PROXY: nowhere,
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  try {
    const { stdout, stderr } = await run(process.execPath, [program, ...args], { cwd: ROOT, env })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, output: stdout + stderr }
  }
}
const images = () => ['--param', 'images=live', '--param', `images-folder=${folder}`]

test('the same input gives the same template, the one that is tested, without AWS', async () => {
  const make = async (name: string) => {
    const out = path.join(folder, name)
    const { code, output } = await serverless('package', '--stage', 'prod', '--package', out, ...images())
    expect([code, output]).toEqual([0, expect.stringContaining('Service packaged')])
    const read = (file: string) => readFileSync(path.join(out, file), 'utf8')
    // All else that is written; the folder of an upload that there may be is named by the time.
    const { package: upload, ...state } = JSON.parse(read('serverless-state.json'))
    expect(readdirSync(out)).toHaveLength(2)
    expect(Object.keys(upload)).toEqual(['artifactDirectoryName', 'artifact'])
    return { template: read('cloudformation-template-update-stack.json'), state: JSON.stringify(state) }
  }
  const [one, other] = [await make('first'), await make('second')]
  expect(other).toEqual(one)
  const first = one.template
  const { template } = sample('prod')
  expect(JSON.parse(first)).toMatchObject({ Description: template.Description })
  expect(JSON.parse(first).Resources).toEqual(template.Resources)
})

test.for([
  [['package', '--stage', 'production'], '--stage production: there is dev, staging, prod.'],
  [['package', '--stage', 'staging', '--param', 'images=candidate'], 'staging-candidate.json is missing'],
  [['deploy', '--stage', 'dev', '--param', 'fleet=none'], 'still has the example’s account'],
] as const)('%s is refused in words, before anything is sent', async ([args, words]) => {
  const { code, output } = await serverless(...args, '--param', `images-folder=${folder}`)
  expect(code).not.toBe(0)
  expect(output).toContain(words)
  expect(output).not.toMatch(/\bat .*\.ts:\d+/)
})

test('the command line', () => {
  expect(readCommandLine(['package'])).toEqual({
    commands: ['package'],
    stage: 'dev',
    images: 'live',
    imagesFolder: '.images',
    fleet: undefined,
    against: undefined,
    deployed: false,
    profile: undefined,
  })
  expect(
    readCommandLine([
      'deploy',
      '-s',
      'prod',
      '--param=images=candidate',
      '--param',
      'fleet=none',
      '--deployed',
      '--profile=operator',
      '--verbose',
    ]),
  ).toEqual({
    commands: ['deploy'],
    stage: 'prod',
    images: 'candidate',
    imagesFolder: '.images',
    fleet: 'none',
    against: undefined,
    deployed: true,
    profile: 'operator',
  })
  expect(() => readCommandLine(['package', '--param', 'images=newest'])).toThrow(
    '--param images=newest: there is live, candidate.',
  )
  expect(() => readCommandLine(['package', '--param', 'fleet='])).toThrow(InvalidStage)
})

test('a first deploy has everything but servers, and locks nothing yet', () => {
  const { resources } = service(['package', '--stage', 'prod', '--param', 'fleet=none'])
  const made = Object.entries(resources?.Resources ?? {})
  expect(made.filter(([, { Type }]) => /AutoScaling|LaunchTemplate/.test(Type))).toEqual([])
  expect(JSON.stringify(made.find(([id]) => id === 'Database'))).toContain('"DeletionProtection":false')
})

test('a protected stage is closed to every update that does not come with a release', () => {
  expect(service(['package', '--stage', 'prod', '--param', 'fleet=none']).provider.stackPolicy).toEqual([
    { Effect: 'Deny', Principal: '*', Action: ['Update:*'], Resource: '*' },
  ])
  expect(service(['package', '--stage', 'dev', '--param', 'fleet=none']).provider.stackPolicy).toBeUndefined()
})

test('a protected stage is not deployed or removed by serverless, another one is', () => {
  const table = JSON.parse(JSON.stringify(STAGES).replaceAll(EXAMPLE_ACCOUNT, '444455556666'))
  for (const command of ['deploy', 'remove', 'rollback'])
    expect(() => service([command, '--stage', 'prod', '--param', 'fleet=none'], table)).toThrow(
      `Stage prod is protected: serverless ${command} would change it`,
    )
  expect(service(['deploy', '--stage', 'dev', '--param', 'fleet=none'], table)).toMatchObject({
    provider: {
      stackName: 'terrace-dev',
      deploymentBucket: { name: 'terrace-state-444455556666-eu-west-1' },
    },
  })
})
