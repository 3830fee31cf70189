// Event streams of people whose sessions change, and of one who opens very many; over the network.
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type TestLibrary, testLibrary } from '../../test/library.ts'
import { type Person, sessionCookie } from '../../test/server.ts'
import { STREAMS_PER_PERSON } from './open-streams.ts'

let library: TestLibrary
beforeAll(async () => {
  library = await testLibrary()
})
afterAll(() => library[Symbol.asyncDispose]())

interface Stream {
  /** Reads until `text` has come. @throws Error when the stream ends before */
  until(text: string): Promise<void>
  /** Resolves with everything that came, when the stream has ended. */
  ended(): Promise<string>
  close(): void
}

async function open(cookie: string): Promise<Stream> {
  const stop = new AbortController()
  const response = await fetch(`${library.server.url}/trpc/events.watch`, {
    headers: { cookie },
    signal: stop.signal,
  })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const more = async () => {
    const { done, value = '' } = (await reader?.read()) ?? { done: true }
    text += value
    return !done
  }
  const stream = {
    async until(wanted: string) {
      while (!text.includes(wanted)) if (!(await more())) throw new Error(`ended without ${wanted}: ${text}`)
    },
    async ended() {
      while (await more());
      return text
    },
    close: () => stop.abort(),
  }
  onTestFinished(stream.close)
  return stream
}

/** Another browser of the same person. */
async function secondSession({ viewer }: Person): Promise<string> {
  const token = `second-${viewer.userId}`
  await library.pool.query(
    `INSERT INTO sessions (id, expires_at, token, user_id, updated_at) VALUES ($1, now() + interval '1 day', $1, $2, now())`,
    [token, viewer.userId],
  )
  return sessionCookie(library.server.config, token)
}

test('signing out ends what that browser watches; another browser of the same person comes back', async () => {
  const person = await library.server.person()
  const elsewhere = await secondSession(person)
  const [here, there] = [await open(person.cookie), await open(elsewhere)]
  await Promise.all([here.until('collections'), there.until('collections')])
  expect((await person.fetch('/auth/sign-out', { method: 'POST' })).status).toBe(200)
  // Without `return`, by which a client would know that nothing more will come.
  expect(await here.ended()).not.toContain('event: return')
  expect(await there.ended()).not.toContain('event: return')
  expect(await (await open(person.cookie)).ended()).toContain('SIGN_IN_REQUIRED')
  await (await open(elsewhere)).until('collections')
})

test('one person can not take all streams of a server', async () => {
  const person = await library.server.person()
  const streams = await Promise.all(Array.from({ length: STREAMS_PER_PERSON }, () => open(person.cookie)))
  await Promise.all(streams.map((stream) => stream.until('collections')))
  expect(await (await open(person.cookie)).ended()).toContain('TOO_MANY_REQUESTS')
  await (await open((await library.server.person()).cookie)).until('collections')
  // One that ends makes room for another.
  streams[0]?.close()
  await expect
    .poll(async () => {
      const next = await open(person.cookie)
      return next.until('collections').then(
        () => true,
        () => false,
      )
    })
    .toBe(true)
})
