// The programs as systemd starts them: processes that find the machine's metadata and AWS by themselves. What they mean
// to the units is how they end.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BOOT_REPORT } from '../../contract/boot-test.ts'
import type { LaunchData } from '../../contract/launch.ts'
import { type ImdsServer, serveImds } from './imds-stub.ts'
import { type AwsServer, serveAws } from './test/aws-server.ts'
import { ARN, createWorld, DOCUMENT, GROUP, launchData, type World } from './test/world.ts'

const COMMAND = path.join(import.meta.dirname, 'command.ts')
const SECRET = 'a-secret-of-more-than-32-characters-hunter2'

let world: World
let aws: AwsServer
let imds: ImdsServer
const started: ChildProcess[] = []
beforeEach(async () => {
  world = await createWorld()
  aws = await serveAws(world.aws.aws)
  // On the machine's clock, unlike the world's: credentials are good for some hours of it.
  imds = await serveImds({
    instance: () => ({
      ...world.instance,
      targetState: world.instance.targetState ?? world.aws.groups.targetState(world.instance.id),
    }),
  })
  launch({})
  await world.put('environment', JSON.stringify(DOCUMENT))
  world.aws.secrets.put(`${ARN}:auth-AbCdEf`, SECRET)
})
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  await imds[Symbol.asyncDispose]()
  await aws[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** Where AWS is, the launch template says. */
const launch = (more: Partial<LaunchData>) => {
  const environment = { AWS_ENDPOINT_URL: aws.endpoint }
  world.instance.userData = JSON.stringify(launchData({ environment, inServiceAfter: 0, ...more }))
}

function start(...args: string[]) {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: world.folder,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.endpoint,
      AWS_EC2_METADATA_V1_DISABLED: 'true',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, output }))
  return { child, ended, said: () => output }
}
const files = () => ['--image', world.imageFile, '--folder', world.folder]
const state = () => world.aws.groups.groups.get(GROUP)?.instances.get(world.instance.id)

test('configure: by the machine’s own role, and nothing secret in what it says', async () => {
  // As in the unit; the child has it from here.
  const umask = process.umask(0o077)
  const program = start('configure', ...files())
  process.umask(umask)
  const { code, output } = await program.ended
  expect([code, output]).toEqual([0, expect.stringContaining('is ready: 11 variables, 1 of them secrets')])
  expect(output).not.toContain('hunter2')
  expect(await readFile(path.join(world.folder, 'environment'), 'utf8')).toContain(`AUTH_SECRET="${SECRET}"`)
  expect((await stat(path.join(world.folder, 'environment'))).mode & 0o777).toBe(0o600)
  expect((await stat(path.join(world.folder, 'launch.json'))).mode & 0o777).toBe(0o644)
  expect([...aws.signedBy]).toEqual(['ASIAEXAMPLEEXAMPLE00'])
})

test('configure, hopeless: the group ends the server at once, the reason is said, and there is no other try', async () => {
  world.join()
  await writeFile(
    world.imageFile,
    JSON.stringify({ tier: 'web', release: '1', madeAt: '2026-11-28T09:00:00Z' }),
  )
  const { code, output } = await start('configure', ...files()).ended
  expect([code, output]).toEqual([78, expect.stringContaining('wants api')])
  expect(output).toContain('is given up')
  expect(state()).toBeUndefined()
})

test('configure, hopeless and without launch data: the hook is known by the contract', async () => {
  world.join()
  world.instance.userData = undefined
  // Nothing says where AWS is.
  const child = spawn(process.execPath, [COMMAND, 'configure', ...files()], {
    env: {
      ...{ PATH: process.env.PATH, HOME: world.folder, AWS_ENDPOINT_URL: aws.endpoint },
      AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.endpoint,
    },
    stdio: 'ignore',
  })
  expect(await once(child, 'close')).toEqual([78, null])
  expect(state()).toBeUndefined()
})

test('configure --once: a failure is said, and ends nobody', async () => {
  world.join()
  world.aws.secrets.scheduleDeletion(`${ARN}:auth-AbCdEf`)
  const { code, output } = await start('configure', '--once', ...files()).ended
  expect([code, output]).toEqual([1, expect.stringContaining('marked for deletion')])
  expect(state()).toBe('Pending:Wait')
})

test('in-service: as long as the server says 503 nobody is told, then the group is', async () => {
  world.join()
  let status = 503
  const server = http.createServer((_, response) =>
    response.writeHead(status).end(JSON.stringify({ reasons: ['the index is not loaded'] })),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const program = start('in-service', '--ready', `http://127.0.0.1:${port}/readyz`)
  await expect.poll(program.said).toContain('Not ready yet: the index is not loaded')
  expect(state()).toBe('Pending:Wait')
  status = 200
  expect(await program.ended).toMatchObject({ code: 0 })
  expect(state()).toBe('InService')
  server.closeAllConnections()
  server.close()
})

const LEAVING = () => path.join(world.folder, 'leaving')

test('drain writes a file when AWS takes the server out, and stays; handed-back tells the group', async () => {
  world.join({ terminate: { name: 'handed-back', seconds: 120, result: 'CONTINUE' } })
  await world.aws.clock.sleep(200_000)
  const program = start('drain', '--pause', '0', '--leaving', LEAVING())
  world.aws.groups.resize(GROUP, { min: 0, desired: 0 })
  await expect.poll(() => existsSync(LEAVING())).toBe(true)
  expect(program.said()).toContain('takes this server out')
  // Were it to end, systemd would start it anew.
  expect(await Promise.race([program.ended, sleep(1_000, 'still there')])).toBe('still there')
  program.child.kill()
  expect(await program.ended).toMatchObject({ signal: 'SIGTERM' })
  const last = start('handed-back', '--pause', '0')
  await world.aws.clock.sleep(60_000)
  expect(await last.ended).toMatchObject({ code: 0, output: expect.stringContaining('has been told') })
  expect(state()).toBe('Terminating:Proceed')
})

test.each(['SIGTERM', 'SIGKILL'] as const)('drain that is ended by %s ends nobody else', async (signal) => {
  world.instance.targetState = 'Standby'
  const program = start('drain', '--pause', '0', '--leaving', LEAVING())
  await expect.poll(program.said).toContain('Standby')
  program.child.kill(signal)
  await program.ended
  expect(existsSync(LEAVING())).toBe(false)
})

test('logs ends as the condition of its unit is read: told, not wanted on a machine that tests its image, or failed', async () => {
  const logs = () => start('logs', '--agent', world.folder).ended
  expect((await logs()).code).toBe(0)
  expect(await readFile(path.join(world.folder, 'agent.toml'), 'utf8')).toContain('[agent]')
  const bootTest = { tier: 'api', release: '2026.48', id: 'b1', volumeGiB: 8, checks: [] }
  world.instance.userData = JSON.stringify({ bootTest })
  expect(await logs()).toMatchObject({ code: 1, output: '' })
  world.instance.userData = 'nothing of ours'
  expect(await logs()).toMatchObject({ code: 255, output: expect.stringContaining('it is no JSON') })
})

test('boot-test says what it has found, and ends well: what is wrong stands in what it says', async () => {
  const bootTest = { tier: 'web', release: '2026.48', id: 'b1', volumeGiB: 8, checks: ['image'] }
  world.instance.userData = JSON.stringify({ bootTest })
  const { code, output } = await start('boot-test', '--image', world.imageFile).ended
  expect(code).toBe(0)
  const [first = ''] = output.split('\n')
  expect(JSON.parse(first.replace(BOOT_REPORT, ''))).toMatchObject({
    ...{ id: 'b1', instance: world.instance.id, passed: [] },
    findings: ['its tier is api, and web was meant to be tested'],
  })
})

test('boot-test on a server says nothing, and fails', async () => {
  const { code, output } = await start('boot-test', '--image', world.imageFile).ended
  expect(code).toBe(1)
  expect(output).toContain('was not launched to test its image')
  expect(output).not.toContain(BOOT_REPORT)
})

test('what it does not know it says', async () => {
  expect(await start('drian').ended).toMatchObject({
    code: 64,
    output: 'What is to be done: configure, in-service, drain, handed-back, logs, boot-test?\n',
  })
})
