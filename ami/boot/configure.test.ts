// From launch to an environment in memory, and everything that can be wrong on the way, in sentences without a value.
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { awsError, FAULTS } from '../../aws/stand-in/service.ts'
import { DATABASE_CA_FILE } from '../../contract/launch.ts'
import { configure, PATIENCE_MS } from './configure.ts'
import { readEnvironmentFile } from './test/environment-file-reader.ts'
import { ARN, createWorld, DOCUMENT, launchData, PATH, type World } from './test/world.ts'

const SECRET = 'a-secret-of-more-than-32-characters-hunter2'
const AUTH = `${ARN}:auth-AbCdEf`

let world: World
beforeEach(async () => {
  world = await createWorld()
  await world.put('environment', JSON.stringify(DOCUMENT))
  world.aws.secrets.put(AUTH, SECRET)
})
afterEach(async () => {
  // Whatever happened: nobody reads it in the journal.
  expect(world.said.join('\n')).not.toContain('hunter2')
  await world[Symbol.asyncDispose]()
})

const run = (patienceMs = PATIENCE_MS) =>
  configure({
    ...{ imds: world.imds, clock: world.aws.clock, journal: world.journal, patienceMs },
    ...{ imageFile: world.imageFile, folder: world.folder },
    connect: () => world.boot,
  })
const written = async () =>
  readEnvironmentFile(await readFile(path.join(world.folder, 'environment'), 'utf8'))

describe('when all is well', () => {
  test('parameters of every page, decrypted, and secrets become the environment', async () => {
    const more = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`KEY_${i}`, `value ${i}`]))
    for (const [name, value] of Object.entries(more)) await world.put(name, value)
    await world.put('deeper/NAME', 'of somebody else')
    await run()
    expect(await written()).toEqual({
      ...{ ...DOCUMENT, ...more, AUTH_SECRET: SECRET },
      ...{ TERRACE_RELEASE: '2026.48', TERRACE_IMAGE_MADE_AT: '2026-11-28T10:00:00Z' },
    })
    const asked = world.aws.calls.filter(({ operation }) => operation === 'GetParametersByPath')
    expect(asked.length).toBe(3)
    for (const { input } of asked) expect(input).toMatchObject({ Path: PATH, WithDecryption: true })
  })

  test('fields that a newer stack adds to the launch data are passed over', async () => {
    world.instance.userData = JSON.stringify({ ...launchData(), weather: { sun: true } })
    await run()
    expect(await written()).toMatchObject({ AUTH_SECRET: SECRET })
  })

  test('other units find what the server was told', async () => {
    await run()
    const told = JSON.parse(await readFile(path.join(world.folder, 'launch.json'), 'utf8'))
    expect(told).toMatchObject({ stage: 'prod', logGroup: 'terrace-prod-ApiLogs' })
  })

  test('again: what was there is replaced, or stays when it fails', async () => {
    await run()
    world.aws.secrets.put(AUTH, `${SECRET}-rotated`)
    await run(0)
    expect(await written()).toMatchObject({ AUTH_SECRET: `${SECRET}-rotated` })
    world.aws.secrets.scheduleDeletion(AUTH)
    await expect(run(0)).rejects.toThrow('marked for deletion')
    expect(await written()).toMatchObject({ AUTH_SECRET: `${SECRET}-rotated` })
  })
})

describe('what gets better is tried again', () => {
  test.each([
    ['throttled', 'GetParametersByPath', FAULTS.throttled(), `below ${PATH} can not be read. AWS slows`],
    [
      'denied',
      'GetParametersByPath',
      FAULTS.denied('ssm:GetParametersByPath'),
      'role of this server may not',
    ],
    ['without an answer', 'GetSecretValue', FAULTS.noAnswer(), `AUTH_SECRET (${AUTH}) can not be read`],
    [
      'not allowed to use the key',
      'GetSecretValue',
      awsError('DecryptionFailure', 'Secrets Manager can’t decrypt the protected secret text'),
      'Its key can not be used',
    ],
  ])('%s', async (_, operation, error, sentence) => {
    world.aws.faults.add({ operation, times: 4, error })
    await run()
    expect(await written()).toMatchObject({ AUTH_SECRET: SECRET })
    expect(world.said.filter((one) => one.includes(sentence))).toHaveLength(4)
  })

  test('a secret that somebody makes meanwhile', async () => {
    const other = `${ARN}:later-AbCdEf`
    world.instance.userData = JSON.stringify(launchData({ secrets: { AUTH_SECRET: other } }))
    world.aws.clock.after(120_000, () => world.aws.secrets.put(other, SECRET))
    await run()
    expect(world.said[0]).toContain(`The secret of AUTH_SECRET (${other}) can not be read. It is not there`)
    expect(await written()).toMatchObject({ AUTH_SECRET: SECRET })
  })

  test('a parameter that the program would not accept, by its name', async () => {
    await world.put('LOG_LEVEL', 'hunter2')
    world.aws.clock.after(60_000, () => void world.put('LOG_LEVEL', 'debug'))
    await run()
    expect(world.said[0]).toMatch(/environment is not complete:\n {2}LOG_LEVEL: /)
    expect(await written()).toMatchObject({ LOG_LEVEL: 'debug' })
  })

  test('an address that is none of PostgreSQL', async () => {
    await world.put('DATABASE_URL', 'mysql://hunter2@db/terrace')
    await expect(run(0)).rejects.toThrow('DATABASE_URL: must be postgresql://')
    await expect(run(0)).rejects.not.toThrow('hunter2')
  })

  test('a secret of bytes', async () => {
    world.aws.secrets.put(AUTH, Buffer.from('hunter2'))
    await expect(run(0)).rejects.toThrow(`The secret of AUTH_SECRET (${AUTH}) is no text`)
  })

  test('with growing pauses, and no longer than the launch hook lasts', async () => {
    world.aws.secrets.scheduleDeletion(AUTH)
    const began = world.aws.clock.now().getTime()
    await expect(run()).rejects.toThrow(`Given up after ${PATIENCE_MS / 1000} s`)
    expect(world.aws.clock.now().getTime() - began).toBe(PATIENCE_MS)
    // Pauses that do not grow would make hundreds.
    const asked = world.aws.calls.filter(({ operation }) => operation === 'GetSecretValue').length
    expect(asked).toBeGreaterThan(15)
    expect(asked).toBeLessThan(40)
  })
})

describe('what can not get better is not tried again', () => {
  const asked = () => world.aws.calls.filter(({ operation }) => operation.startsWith('Get')).length
  test.each([
    ['no user data', undefined, 'was launched without user data'],
    ['user data that are no JSON', '#!/bin/sh hunter2', 'it is no JSON'],
    [
      'fields that are missing or wrong, each by its name',
      JSON.stringify({ ...launchData(), hooks: { launch: 'ready' }, parameters: 'hunter2', tier: 'db' }),
      /hooks\.terminate: .*parameters: is not a path|parameters: is not a path.*hooks\.terminate: /,
    ],
    [
      'an image of the other tier',
      JSON.stringify(launchData({ tier: 'web' })),
      'This is an image of the tier api (release 2026.48), and the launch template wants web',
    ],
  ])('%s', async (_, userData, sentence) => {
    world.instance.userData = userData
    const began = world.aws.clock.now()
    const failure = run()
    await expect(failure).rejects.toThrow(sentence)
    await expect(failure).rejects.toMatchObject({ name: 'NotConfigured', hopeless: true })
    await expect(failure).rejects.not.toThrow('hunter2')
    expect(asked()).toBe(0)
    expect(world.aws.clock.now()).toEqual(began)
  })

  test('an image that does not say what it is', async () => {
    await writeFile(world.imageFile, '{}')
    await expect(run()).rejects.toThrow('The image’s own record')
    await expect(run()).rejects.toMatchObject({ hopeless: true, launch: { stage: 'prod' } })
  })
})

describe('the authorities of a region’s databases', () => {
  const AUTHORITY = '-----BEGIN CERTIFICATE-----\nof the database\n-----END CERTIFICATE-----'
  const image = (databaseRegions: string[]) =>
    writeFile(
      world.imageFile,
      JSON.stringify({ tier: 'api', release: '2026.48', madeAt: '2026-11-28T09:00:00Z', databaseRegions }),
    )
  beforeEach(() => world.put('environment', JSON.stringify({ ...DOCUMENT, DATABASE_CA: DATABASE_CA_FILE })))

  test('an image that has none of them is no use, and what helps is said', async () => {
    await image(['us-east-1'])
    const failure = run()
    await expect(failure).rejects.toThrow('no certificate authorities of RDS in eu-west-1')
    await expect(failure).rejects.toThrow(`parameter ${PATH}/DATABASE_CA`)
    await expect(failure).rejects.toMatchObject({ hopeless: true })
  })

  test('that of the operator is taken in any region', async () => {
    await image(['us-east-1'])
    await world.put('DATABASE_CA', AUTHORITY)
    await run()
    expect(await written()).toMatchObject({ DATABASE_CA: AUTHORITY })
  })

  test('an image that has them goes by its own bundle', async () => {
    await image(['eu-west-1'])
    // Which only an image has.
    await expect(run(0)).rejects.toThrow(/DATABASE_CA: .*ENOENT|DATABASE_CA: must be PEM/)
    await expect(run(0)).rejects.toMatchObject({ hopeless: false })
  })
})

test('a web server’s environment, which needs an API’s address', async () => {
  await using web = await createWorld('web')
  web.instance.userData = JSON.stringify(launchData({ tier: 'web', secrets: {} }))
  const run = () =>
    configure({
      ...{ imds: web.imds, clock: web.aws.clock, journal: web.journal, patienceMs: 0 },
      ...{ imageFile: web.imageFile, folder: web.folder, connect: () => web.boot },
    })
  await web.put('environment', JSON.stringify({ API_URL: 'internal.example.com' }))
  await expect(run()).rejects.toThrow('API_URL: must be an http or https address')
  await web.put('environment', JSON.stringify({ API_URL: 'http://internal.example.com', PORT: '3000' }))
  await run()
  const text = await readFile(path.join(web.folder, 'environment'), 'utf8')
  expect(readEnvironmentFile(text)).toMatchObject({ API_URL: 'http://internal.example.com', PORT: '3000' })
})
