// The command as an operator types it, in a process of its own.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readChoice } from './choice.ts'
import { Fleet, standIn } from './fixtures.ts'

const PROGRAM = path.join(import.meta.dirname, 'command.ts')
const BOTH = { env: { OPENSEARCH_URL: 'http://127.0.0.1:9/terrace' }, cluster: standIn }

function engine(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  const ended = new Promise<{ code: number | null; said: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, said })),
  )
  return { ended, said: () => said, kill: (signal: NodeJS.Signals) => child.kill(signal) }
}

test('what was typed wrong is said, with what there is', async () => {
  const env = { DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/x' }
  const typed = async (...args: string[]) => (await engine(env, ...args).ended).said
  expect(await typed()).toContain('npm run engine -- switch opensearch|embedded')
  expect(await typed('switch', 'elastic')).toContain('npm run engine -- switch')
  expect(await typed('switch', 'opensearch', '--rate', '0')).toMatch(/--rate 0: a whole number from 1/)
  expect(await typed('switch', 'embedded', '--rate', '5')).toMatch(/--rate is for a cluster that is filled/)
  expect(await typed('status', '--fast')).toMatch(/Unknown option '--fast'[\s\S]*npm run engine -- status/)
  const nowhere = engine({ TERRACE_HOME: '/nonexistent' }, 'status')
  expect(await nowhere.ended).toMatchObject({
    code: 1,
    said: expect.stringMatching(/^No Terrace runs with the data in/),
  })
})

test('on one machine it finds the PostgreSQL that npm start runs', async () => {
  await using fleet = await Fleet.open()
  const home = path.join(fleet.home, 'home')
  mkdirSync(path.join(home, 'postgres'), { recursive: true })
  const { password, port } = new URL(fleet.db.url)
  writeFileSync(
    path.join(home, 'secrets.json'),
    JSON.stringify({ postgresPassword: decodeURIComponent(password) }),
  )
  writeFileSync(path.join(home, 'postgres/postmaster.pid'), `1\n/data\n0\n${port}\n`)
  // It has come as far as the server, which has other databases only.
  expect((await engine({ TERRACE_HOME: home }, 'status').ended).said).toMatch(
    /database "terrace" does not exist/,
  )
})

test('Ctrl-C and kill -9 leave what is built to the servers, and the next command goes on', async () => {
  await using fleet = await Fleet.open()
  const opened = Promise.withResolvers<void>()
  const cluster: typeof standIn = async (config) => {
    await opened.promise
    return standIn(config)
  }
  const server = await fleet.start('a', { ...BOTH, cluster })
  const collection = await fleet.library.collection()
  await fleet.library.publish(await fleet.library.document(collection), [{ text: 'pear', vector: [1] }])
  const env = { DATABASE_URL: fleet.db.url }
  const first = engine(env, 'switch', 'opensearch', '--yes')
  await expect.poll(first.said).toContain('ready on 0 of 1 servers')
  first.kill('SIGINT')
  expect(await first.ended).toMatchObject({
    code: 130,
    said: expect.stringMatching(/Stopped\. What the servers have begun/),
  })
  const second = engine(env, 'switch', 'opensearch', '--yes')
  await expect.poll(second.said).toContain('opensearch is being built; going on.')
  second.kill('SIGKILL')
  await second.ended
  opened.resolve()
  // Nobody is there to be asked.
  const third = await engine(env, 'switch', 'opensearch').ended
  expect(third).toMatchObject({
    code: 1,
    said: expect.stringMatching(/100\.0 % are the same[\s\S]*give --yes/),
  })
  expect(server.index.answers).toBe('embedded')
  const fourth = await engine(env, 'switch', 'opensearch', '--yes', '--sample', '5').ended
  expect(fourth).toMatchObject({
    code: 0,
    said: expect.stringContaining('opensearch answers on all 1 servers.'),
  })
  expect((await readChoice(fleet.db.pool))?.engine).toBe('opensearch')
  const { said } = await engine(env, 'status').ended
  expect(said).toMatch(
    /opensearch answers\.\nembedded is kept up to date\. Back to it: .*\n {2}a: answers by opensearch; embedded: 1 passages/,
  )
})
