// Answers among several servers: resumed, stopped, taken over, handed over, watched from elsewhere.
import { spawn } from 'node:child_process'
import path from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import {
  type Conversation,
  conversation,
  heardEnd,
  heardText,
  type Watched,
} from '../../test/conversation.ts'
import { type Asked, stop } from './ask.ts'
import { getChat } from './messages.ts'
import { watchAnswer } from './watch.ts'

const HOLD = 'How do I hold a package at its present version?'
const REPO = path.resolve(import.meta.dirname, '../../..')

/** Waits until the scripted model has said `tokens` words of its newest answer. */
const said = (c: Conversation, tokens: number) =>
  expect.poll(() => c.scripted.requests.at(-1)?.sent ?? 0, { timeout: 10_000 }).toBeGreaterThanOrEqual(tokens)

/** Listens until `count` texts came, and goes away as a browser does that is reloaded. */
async function listenFor(
  c: Conversation,
  answerId: string,
  count: number,
  on = c.server,
): Promise<Watched[]> {
  const gone = new AbortController()
  const heard: Watched[] = []
  let texts = 0
  const deps = { pool: c.db.pool, answers: on.answers }
  for await (const [id, event] of watchAnswer(deps, c.viewer, answerId, null, gone.signal)) {
    heard.push({ id, event })
    if (event.type === 'text' && ++texts === count) break
  }
  gone.abort()
  return heard
}

/** Asks in a process of its own. */
async function askElsewhere(c: Conversation, chatId: string, knobs: string) {
  const models = [
    { id: 'm', name: 'm', type: 'openai-compatible', url: c.scripted.url, model: `scripted?${knobs}` },
  ]
  const child = spawn(
    process.execPath,
    [
      path.join(REPO, 'api/test/answering-server.ts'),
      c.db.url,
      JSON.stringify(models),
      c.viewer.userId,
      chatId,
      HOLD,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (bytes) => resolve(String(bytes)))
    child.once('exit', (code) => reject(new Error(`it left with ${code}`)))
  })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  return { asked: JSON.parse(line) as Asked, child, gone }
}

describe('a reload', () => {
  it('in the middle of an answer goes on where it was', async () => {
    await using c = await conversation({ knobs: 'rate=100&tokens=80' })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    const before = await listenFor(c, answerId, 3)
    const after = await c.watch(answerId, { lastEventId: before.at(-1)?.id ?? '' })
    expect(after.map(({ event }) => event.type)).not.toContain('reset')
    expect(heardText(after, heardText(before))).toBe(heardEnd(after).text)
    expect(heardEnd(after).text.split(' ')).toHaveLength(80)
  })

  it('of the whole page shows what there is and goes on from there', async () => {
    await using c = await conversation({ knobs: 'rate=100&tokens=60' })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    await said(c, 20)
    const deps = { pool: c.db.pool, answers: c.server.answers }
    const message = (await getChat(deps, c.viewer, chatId)).messages[1]
    expect(message?.text.length).toBeGreaterThan(20)
    expect(message?.attempt).toMatchObject({ number: 1, state: 'streaming', offset: message?.text.length })
    const after = await c.watch(answerId, { lastEventId: `1:${message?.attempt?.offset}` })
    expect(heardText(after, message?.text)).toBe(heardEnd(after).text)
  })

  it('with an id that is not ours, or beyond what there is, begins at the beginning or waits', async () => {
    await using c = await conversation({ knobs: 'rate=100&tokens=30' })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    const [strange, beyond] = await Promise.all([
      c.watch(answerId, { lastEventId: "1:9' OR 1=1" }),
      c.watch(answerId, { lastEventId: '7:999999999' }),
    ])
    expect(heardText(strange)).toBe(heardEnd(strange).text)
    expect(beyond[0]?.event.type).toBe('reset')
    expect(heardEnd(beyond).text).toBe(heardEnd(strange).text)
  })
})

describe('many watchers', () => {
  it('hear the same, and one who is slow hears it in few large pieces', async () => {
    await using c = await conversation({ knobs: 'rate=200&tokens=200' })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    const deps = { pool: c.db.pool, answers: c.server.answers }
    const slow = (async () => {
      const heard: Watched[] = []
      for await (const [id, event] of watchAnswer(
        deps,
        c.viewer,
        answerId,
        null,
        AbortSignal.timeout(20_000),
      )) {
        heard.push({ id, event })
        await new Promise((resolve) => setTimeout(resolve, 300))
      }
      return heard
    })()
    const tabs = await Promise.all(Array.from({ length: 8 }, () => c.watch(answerId)))
    const text = heardEnd(tabs[0] ?? []).text
    for (const heard of tabs) {
      expect(heardText(heard)).toBe(text)
      expect(heardEnd(heard)).toEqual(heardEnd(tabs[0] ?? []))
    }
    // 200 tokens/s are merged: nobody is sent more than about 20 frames a second.
    expect(tabs[0]?.length).toBeLessThan(100)
    const late = await slow
    expect(heardEnd(late).text).toBe(text)
    expect(late.length).toBeLessThan((tabs[0]?.length ?? 0) / 2)
    expect(c.scripted.requests).toHaveLength(1)
  })
})

describe('another server', () => {
  it('shows an answer that is written elsewhere, and resumes in the middle of it', async () => {
    await using c = await conversation({ knobs: 'rate=60&tokens=80' })
    const other = c.startServer()
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    const here = listenFor(c, answerId, 4)
    const there = await c.watch(answerId, { server: other })
    // What was not looked at before the end comes with the end.
    expect(heardEnd(there).text.startsWith(heardText(there))).toBe(true)
    expect(there.filter(({ event }) => event.type === 'text').length).toBeGreaterThan(1)
    const first = await here
    expect(heardEnd(there).text.startsWith(heardText(first))).toBe(true)
  })

  it('goes on from an id that the writing server gave', async () => {
    await using c = await conversation({
      knobs: `text=${encodeURIComponent('Grüße 👩‍🔬 世界 ')}&rate=60&tokens=80`,
    })
    const other = c.startServer()
    const { answerId } = await c.ask(await c.chat(), HOLD)
    const before = await listenFor(c, answerId, 5)
    const after = await c.watch(answerId, { server: other, lastEventId: before.at(-1)?.id ?? '' })
    expect(after.map(({ event }) => event.type)).not.toContain('reset')
    expect(after.filter(({ event }) => event.type === 'text').length).toBeGreaterThan(1)
    expect(heardEnd(after).text.startsWith(heardText(after, heardText(before)))).toBe(true)
  })

  it('stops an answer: the model upstream is cut off, what came is kept', async () => {
    await using c = await conversation({ knobs: 'rate=50&tokens=2000' })
    const other = c.startServer()
    const { answerId } = await c.ask(await c.chat(), HOLD)
    await said(c, 10)
    await stop({ pool: c.db.pool, ...other }, c.viewer, answerId)
    const end = heardEnd(await c.watch(answerId, { server: other }))
    expect(end).toMatchObject({ state: 'stopped', error: null })
    expect(end.text).not.toBe('')
    expect(c.scripted.requests[0]).toMatchObject({ aborted: true, ended: false })
    const sent = c.scripted.requests[0]?.sent ?? 0
    expect(sent).toBeLessThan(200)
    // Not a token more, once it is stopped.
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(c.scripted.requests[0]?.sent).toBe(sent)
  })

  it('stops before the first token, and before the model was asked', async () => {
    await using c = await conversation({ knobs: 'hang=1' })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    await expect.poll(() => c.scripted.requests.length, { timeout: 15_000 }).toBe(1)
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'stopped', text: '' })
    await expect.poll(() => c.scripted.requests[0]?.aborted, { timeout: 15_000 }).toBe(true)
    const next = await c.ask(chatId, HOLD)
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, next.answerId)
    expect(heardEnd(await c.watch(next.answerId)).state).toBe('stopped')
  })

  it('takes over when the writing one is killed; what was saved stays until the new text is there', async () => {
    await using c = await conversation({ knobs: 'rate=200&tokens=40' })
    const chatId = await c.chat()
    const elsewhere = await askElsewhere(c, chatId, 'rate=20&tokens=2000')
    const { answerId } = elsewhere.asked
    await said(c, 20)
    const before = await listenFor(c, answerId, 2)
    expect(heardText(before)).not.toBe('')
    elsewhere.child.kill('SIGKILL')
    await elsewhere.gone
    const deps = { pool: c.db.pool, answers: c.server.answers }
    const left = (await getChat(deps, c.viewer, chatId)).messages[1]
    expect(left?.text.startsWith(heardText(before))).toBe(true)
    const after = await c.watch(answerId, { lastEventId: before.at(-1)?.id ?? '' })
    const reset = after.findIndex(({ event }) => event.type === 'reset')
    expect(after[reset]?.id).toBe('2:0')
    expect(heardEnd(after)).toMatchObject({ state: 'done', error: null })
    expect(heardText(after.slice(reset))).toBe(heardEnd(after).text)
    const { rows } = await c.db.pool.query(
      'SELECT number, state, error_code FROM attempts WHERE message_id = $1 ORDER BY number',
      [answerId],
    )
    expect(rows).toEqual([
      { number: 1, state: 'interrupted', error_code: 'ANSWER_INTERRUPTED' },
      { number: 2, state: 'done', error_code: null },
    ])
  })

  it('takes over at once when the writing one is told to stop', async () => {
    await using c = await conversation({ knobs: 'rate=20&tokens=100' })
    const elsewhere = await askElsewhere(c, await c.chat(), 'rate=20&tokens=2000')
    await said(c, 10)
    elsewhere.child.kill('SIGTERM')
    await elsewhere.gone
    expect(c.scripted.requests[0]?.aborted).toBe(true)
    // It was let go of, and what had come is saved: nobody has to wait for a lease.
    const { rows } = await c.db.pool.query(
      `SELECT owner, (SELECT count(*)::int FROM attempt_chunks WHERE attempt_id = a.id) > 0 AS saved
       FROM attempts a WHERE number = 1`,
    )
    expect(rows).toEqual([{ owner: null, saved: true }])
    const end = heardEnd(await c.watch(elsewhere.asked.answerId))
    expect(end.state).toBe('done')
  })

  it('gives up after the third interruption in a row, and keeps what had come', async () => {
    await using c = await conversation({ knobs: 'rate=20&tokens=2000' })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    for (let number = 1; number <= 3; number++) {
      await expect
        .poll(
          async () =>
            (
              await c.db.pool.query(
                'SELECT 1 FROM attempt_chunks ch JOIN attempts a ON a.id = ch.attempt_id WHERE a.message_id = $1 AND a.number = $2',
                [answerId, number],
              )
            ).rowCount,
          { timeout: 15_000 },
        )
        .toBeGreaterThan(0)
      // As if its owner had died: nobody renews it any more.
      await c.db.pool.query(
        `UPDATE attempts SET owner = 'dead', lease_until = now() - interval '1 second' WHERE message_id = $1 AND ended_at IS NULL`,
        [answerId],
      )
    }
    const heard = await c.watch(answerId)
    expect(heardEnd(heard)).toMatchObject({ state: 'interrupted', error: { code: 'ANSWER_INTERRUPTED' } })
    expect(heardEnd(heard).text).not.toBe('')
    // Whoever had lost an attempt stopped its model.
    await expect
      .poll(() => c.scripted.requests.map(({ aborted }) => aborted), { timeout: 5_000 })
      .toEqual([true, true, true])
  })
})

describe('a lost database', () => {
  it('for a while loses no text of an answer', async () => {
    await using c = await conversation({ knobs: 'rate=50&tokens=100' })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    await said(c, 10)
    // Every connection is cut, twice, while the answer is written.
    for (let i = 0; i < 2; i++) {
      await new Promise((resolve) => setTimeout(resolve, 300))
      await c.db.pool
        .query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        )
        .catch(() => {})
    }
    await said(c, 100)
    const end = heardEnd(await c.watch(answerId))
    expect(end.text.split(' ')).toHaveLength(100)
  })

  it('while an answer begins delays it: it is not failed for good', async () => {
    await using c = await conversation({ knobs: 'rate=200&tokens=20' })
    const chatId = await c.chat()
    const away = [
      Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' }),
      Object.assign(new pg.DatabaseError('terminating connection', 1, 'error'), { code: '57P01' }),
      new Error('Connection terminated unexpectedly'),
    ]
    const { query } = c.db.pool
    // Its context once, then its search twice.
    Object.assign(c.db.pool, {
      query: (...args: [{ name?: string }]) => {
        const due = away.length === 3 ? 'answer-context' : 'search-scope-collections'
        if (args[0].name === due && away.length > 0) return Promise.reject(away.shift())
        return Reflect.apply(query, c.db.pool, args)
      },
    })
    const { answerId } = await c.ask(chatId, HOLD)
    const end = heardEnd(await c.watch(answerId))
    expect(end).toMatchObject({ state: 'done', error: null })
    expect(away).toEqual([])
    const { rows } = await c.db.pool.query('SELECT number FROM attempts WHERE message_id = $1', [answerId])
    expect(rows).toEqual([{ number: 1 }])
  })

  it('that falls silent under the leases is left for another connection before they lapse', async () => {
    await using c = await conversation({ knobs: 'rate=20&tokens=2000' })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    await said(c, 5)
    const pids = async () => {
      const { rows } = await c.db.pool.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'terrace-api-leases'`,
      )
      return rows.map(({ pid }) => pid)
    }
    const lapsesIn = async () => {
      const { rows } = await c.db.pool.query<{ seconds: number }>(
        'SELECT extract(epoch FROM lease_until - now())::float AS seconds FROM attempts WHERE message_id = $1',
        [answerId],
      )
      return rows[0]?.seconds ?? 0
    }
    await expect.poll(pids).toHaveLength(1)
    const [silent = 0] = await pids()
    process.kill(silent, 'SIGSTOP')
    try {
      const others = async () => (await pids()).filter((pid) => pid !== silent)
      await expect.poll(others, { timeout: 10_000 }).toHaveLength(1)
      await expect.poll(lapsesIn, { timeout: 2_000 }).toBeGreaterThan(3)
      const { rows } = await c.db.pool.query('SELECT number FROM attempts WHERE message_id = $1', [answerId])
      expect(rows).toEqual([{ number: 1 }])
    } finally {
      process.kill(silent, 'SIGCONT')
    }
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
  })
})
