import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { doors, refusal } from '../../test/doors.ts'
import { givenPassages } from '../../test/scripted-answer.ts'
import { NOTHING_FOUND } from '../chat/answer.ts'

const HOLD = 'How do I hold a package at its present version?'
const ask = (content: string, model = 'terrace/handbook') => ({
  model,
  messages: [{ role: 'user' as const, content }],
})

type Chunk = OpenAI.Chat.ChatCompletionChunk & { terrace?: unknown }

async function collect(stream: AsyncIterable<Chunk>) {
  const chunks: Chunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return { chunks, text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('') }
}

describe('an answer by the OpenAI client', () => {
  it('says that it was searched for by words only while the search engine is away', async () => {
    await using world = await doors({ away: true })
    const client = world.openai(await world.key(world.owner))
    const answer = await client.chat.completions.create(ask(HOLD))
    expect(answer).toMatchObject({ terrace: { behind: false, words_only: 'engine-away' } })
  })

  it('comes from the documents, with citations that open them at the quoted words', async () => {
    await using world = await doors()
    const client = world.openai(await world.key(world.owner))
    const answer = await client.chat.completions.create(ask(HOLD))
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'terrace/handbook',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', refusal: null } }],
      terrace: { answered_by: 'm', behind: false },
    })
    const message = answer.choices[0]?.message
    const content = message?.content ?? ''
    expect(content).toContain('run apt-mark hold with its name [1]')
    const annotations = message?.annotations ?? []
    expect(annotations.length).toBeGreaterThan(0)
    const given = givenPassages(world.scripted.requests[0]?.messages ?? [])
    for (const { type, url_citation: cited } of annotations) {
      expect(type).toBe('url_citation')
      const number = Number(/^\[(\d+)\]$/.exec(content.slice(cited.start_index, cited.end_index))?.[1])
      const document = world.documents[cited.title]
      const url = new URL(cited.url)
      expect(url.origin).toBe('https://terrace.example.org')
      expect(url.pathname).toBe(`/documents/${document?.documentId}`)
      expect(url.searchParams.get('version')).toBe(document?.versionId)
      // The words behind the number are those that the address opens.
      const { rows } = await world.db.pool.query<{ text: string }>(
        'SELECT substr(text, $2::int + 1, $3::int) AS text FROM pages WHERE version_id = $1',
        [
          document?.versionId,
          url.searchParams.get('start'),
          Number(url.searchParams.get('end')) - Number(url.searchParams.get('start')),
        ],
      )
      expect(rows[0]?.text).toBe(given.find((passage) => passage.number === number)?.text)
    }
    const usage = world.scripted.requests[0]
    expect(answer.usage?.completion_tokens).toBe(usage?.sent)
    expect(answer.usage?.total_tokens).toBe((answer.usage?.prompt_tokens ?? 0) + (usage?.sent ?? 0))
    // It belongs to no chat.
    expect((await world.db.pool.query('SELECT 1 FROM chats')).rowCount).toBe(0)
  })

  it('streams: the text piece by piece, annotations with the end, usage when it is asked for', async () => {
    await using world = await doors({ knobs: 'rate=100' })
    const client = world.openai(await world.key(world.owner))
    const whole = await client.chat.completions.create(ask(HOLD))
    const { chunks, text } = await collect(
      await client.chat.completions.create({
        ...ask(HOLD),
        stream: true,
        stream_options: { include_usage: true },
      }),
    )
    expect(text).toBe(whole.choices[0]?.message.content)
    expect(chunks.length).toBeGreaterThan(5)
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' })
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    const last = chunks.at(-2)
    expect(last?.choices[0]).toMatchObject({
      finish_reason: 'stop',
      delta: { annotations: whole.choices[0]?.message.annotations },
    })
    expect(last?.terrace).toEqual({ answered_by: 'm', behind: false })
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage })
    const without = await collect(await client.chat.completions.create({ ...ask(HOLD), stream: true }))
    expect(without.chunks.every(({ usage }) => usage == null)).toBe(true)
  })

  it('a piece leaves when it comes, not when all is there', async () => {
    await using world = await doors({ knobs: 'tokens=40&rate=20' })
    const client = world.openai(await world.key(world.owner))
    const stream = await client.chat.completions.create({ ...ask(HOLD), stream: true })
    for await (const chunk of stream) {
      if (!chunk.choices[0]?.delta.content) continue
      expect(world.scripted.requests[0]?.ended).toBe(false)
      break
    }
    // Leaving the loop is an abort.
    await expect.poll(() => world.scripted.requests[0]?.aborted).toBe(true)
  })

  it.each([true, false])('an abort ends the model’s work (stream: %s)', async (stream) => {
    await using world = await doors({ knobs: 'tokens=1000&rate=20' })
    const client = world.openai(await world.key(world.owner))
    const abort = new AbortController()
    const call = (async () => {
      const body = { ...ask(HOLD), stream }
      const answer = await client.chat.completions.create(body, { signal: abort.signal })
      if (Symbol.asyncIterator in answer) await collect(answer)
    })()
    const ended = expect(
      call.then(
        () => 'whole',
        () => 'aborted',
      ),
    ).resolves.toBeDefined()
    await expect.poll(() => world.scripted.requests[0]?.sent ?? 0).toBeGreaterThan(2)
    abort.abort()
    await ended
    await expect.poll(() => world.scripted.requests[0]?.aborted).toBe(true)
    expect(world.scripted.requests[0]?.sent).toBeLessThan(1_000)
  })

  it('earlier messages are the history: for the model, and for a question that leans on them', async () => {
    await using world = await doors()
    const client = world.openai(await world.key(world.owner))
    await client.chat.completions.create({
      model: 'terrace/handbook',
      messages: [
        { role: 'user', content: HOLD },
        { role: 'assistant', content: 'Run apt-mark hold [1].' },
        { role: 'user', content: 'And how do I undo that?' },
      ],
    })
    // Written out before it is searched for, as in a chat.
    expect(world.scripted.rewritings).toHaveLength(1)
    const messages = world.scripted.requests[0]?.messages ?? []
    expect(messages[1]).toEqual({ role: 'user', content: HOLD })
    // Its numbers meant other passages.
    expect(messages[2]).toEqual({ role: 'assistant', content: 'Run apt-mark hold.' })
    expect(messages.at(-1)?.content).toContain('Question: And how do I undo that?')
    expect(messages.at(-1)?.content).toContain('apt-mark')
  })

  it('text comes in parts too, and messages of one side that follow each other are one', async () => {
    await using world = await doors()
    const client = world.openai(await world.key(world.owner))
    await client.chat.completions.create({
      model: 'terrace/handbook',
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'I have a package.' }] },
        { role: 'user', content: HOLD },
      ],
    })
    expect(world.scripted.requests[0]?.messages.at(-1)?.content).toContain(
      `Question: I have a package.\n\n${HOLD}`,
    )
  })

  it('without a language model: the most relevant passages, quoted', async () => {
    await using world = await doors({ knobs: null })
    await world.collection(world.owner, 'Notes', {
      'notes.txt': ['A note [1] speaks of `gardens` and roses.'],
    })
    const client = world.openai(await world.key(world.owner))
    const answer = await client.chat.completions.create(
      ask('Which note speaks of gardens and roses?', 'terrace/notes'),
    )
    const message = answer.choices[0]?.message
    const content = message?.content ?? ''
    expect(content).toBe('> A note [1] speaks of `gardens` and roses.\n\nnotes.txt, page 1 [1]')
    // A bracket of the document's own is no citation.
    expect(
      message?.annotations?.map(({ url_citation: cited }) => [cited.start_index, cited.end_index]),
    ).toEqual([[content.length - 3, content.length]])
    expect(answer).toMatchObject({
      terrace: { answered_by: 'passages' },
      usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    })
    const { text } = await collect(
      await client.chat.completions.create({
        ...ask('Which note speaks of gardens and roses?', 'terrace/notes'),
        stream: true,
      }),
    )
    expect(text).toBe(content)
  })

  it('what stands in code is no citation', async () => {
    await using world = await doors({ knobs: 'text=Use `x[1]` or ``y [1]`` here [1].' })
    const client = world.openai(await world.key(world.owner))
    const message = (await client.chat.completions.create(ask(HOLD))).choices[0]?.message
    expect(message?.content).toBe('Use `x[1]` or ``y [1]`` here [1].')
    expect(message?.annotations?.map(({ url_citation: cited }) => cited.start_index)).toEqual([29])
  })

  it('a document that is deleted while the answer is written is not named any more', async () => {
    await using world = await doors({ knobs: 'hold=1&cite=8' })
    const client = world.openai(await world.key(world.owner))
    const asked = client.chat.completions.create(ask(HOLD))
    await expect.poll(() => world.scripted.requests.length).toBe(1)
    const { documentId } = world.documents['handbook.txt'] ?? {}
    await world.db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [documentId])
    world.scripted.script({ hold: false })
    const message = (await asked).choices[0]?.message
    expect(message?.content).toMatch(/\[1\].*\[2\]/s)
    expect(new Set(message?.annotations?.map(({ url_citation: cited }) => cited.title))).toEqual(
      new Set(['faq.txt']),
    )
  })

  it.each([true, false])('one that may say no more says that it was cut (stream: %s)', async (stream) => {
    await using world = await doors({ knobs: 'tokens=16', entry: { maxOutputTokens: 16 } })
    const client = world.openai(await world.key(world.owner))
    const finish = async () => {
      const answer = await client.chat.completions.create({ ...ask(HOLD), stream })
      if (!(Symbol.asyncIterator in answer)) return answer.choices[0]?.finish_reason
      return (await collect(answer)).chunks.at(-1)?.choices[0]?.finish_reason
    }
    expect(await finish()).toBe('length')
    world.scripted.script({ tokens: 15 })
    expect(await finish()).toBe('stop')
  })

  it('when nothing is found it says so, and no model is asked', async () => {
    await using world = await doors()
    const client = world.openai(await world.key(world.owner))
    const answer = await client.chat.completions.create(ask('Zebras?'))
    expect(answer.choices[0]?.message).toMatchObject({ content: NOTHING_FOUND, annotations: [] })
    expect(world.scripted.requests).toEqual([])
  })
})

describe('what can be asked', () => {
  it('collections are models: by name, by id where a name is not the only one, and all of them', async () => {
    await using world = await doors()
    const { owner } = world
    const [one, two] = [
      await world.collection(owner, 'Team: Häuser & Gärten'),
      await world.collection(owner, 'Same'),
    ]
    const three = await world.collection(owner, 'same')
    const all = await world.collection(owner, 'All')
    const client = world.openai(await world.key(owner))
    const { data } = await client.models.list()
    expect(data.map(({ id }) => id)).toEqual([
      ...['terrace/all', 'terrace/handbook', 'terrace/team-häuser-gärten'],
      ...[two, three, all].map((id) => `terrace/${id}`),
    ])
    expect(data[0]).toMatchObject({ object: 'model', owned_by: 'terrace' })
    expect((await client.models.retrieve('terrace/handbook')).id).toBe('terrace/handbook')
    for (const model of ['terrace/all', 'terrace/handbook', `terrace/${world.handbook}`])
      expect((await client.chat.completions.create(ask(HOLD, model))).choices[0]?.message.content).toContain(
        '[1]',
      )
    // Of another collection, which is there and empty.
    const elsewhere = await client.chat.completions.create(ask(HOLD, `terrace/${one}`))
    expect(elsewhere.choices[0]?.message.content).toBe(NOTHING_FOUND)
    expect(await refusal(client.chat.completions.create(ask(HOLD, 'terrace/same')))).toEqual([
      ...['BadRequestError', 400, 'INVALID_INPUT'],
    ])
    for (const model of ['terrace/none', 'handbook', 'gpt-4o', 'terrace/', ''])
      expect(await refusal(client.chat.completions.create(ask(HOLD, model)))).toEqual([
        ...['NotFoundError', 404, 'NOT_FOUND'],
      ])
  })
})
