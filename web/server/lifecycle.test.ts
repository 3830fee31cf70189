import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

// Stands for Next's server: /stream never ends by itself, /slow answers when /finish was asked.
const PROGRAM = `
import { createServer } from 'node:http'
import { phase, prepareStop, track } from ${JSON.stringify(path.join(import.meta.dirname, 'lifecycle.ts'))}
let slow
const server = createServer((request, response) => {
  if (request.url === '/stream') {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    track(() => response.end('data: last\\n\\n'))
  } else if (request.url === '/slow') {
    response.writeHead(200).flushHeaders()
    slow = response
    process.on('message', () => slow.end(phase()))
  } else response.end(phase())
})
prepareStop({ supervised: process.env.SUPERVISED === '1' })
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
`

async function start(supervised: boolean): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', PROGRAM], {
    env: { ...process.env, SUPERVISED: supervised ? '1' : '' },
    stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
  })
  children.push(child)
  const [port] = await once(child, 'message')
  return { child, url: `http://127.0.0.1:${port}` }
}

describe('stopping', () => {
  it('ends streams, lets a request under way finish, then is gone with code 0', async () => {
    const { child, url } = await start(false)
    expect(await (await fetch(url)).text()).toBe('serving')
    const stream = await fetch(`${url}/stream`)
    const slow = await fetch(`${url}/slow`)
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await stream.text()).toBe('data: last\n\n')
    expect(child.exitCode).toBeNull()
    await expect(fetch(url)).rejects.toThrow()
    child.send('finish')
    expect(await slow.text()).toBe('stopping')
    expect(await exited).toEqual([0, null])
  })

  it('stops on SIGINT although nobody ever asked anything', async () => {
    const { child } = await start(false)
    const exited = once(child, 'exit')
    child.kill('SIGINT')
    expect(await exited).toEqual([0, null])
  })

  it('ends with its supervisor when that is gone without a word', async () => {
    const { child } = await start(true)
    const exited = once(child, 'exit')
    child.stdin?.end()
    expect(await exited).toEqual([0, null])
  })

  it('does not mind a closed stdin when nobody supervises it', async () => {
    const { child, url } = await start(false)
    child.stdin?.end()
    for (let round = 0; round < 3; round += 1) expect(await (await fetch(url)).text()).toBe('serving')
  })
})
