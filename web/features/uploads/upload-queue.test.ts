import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { networkFailure } from '../../lib/errors.ts'
import { outcomeOf } from './send-file.ts'
import { AT_ONCE, type DuplicateChoice, type Outcome, type Upload, UploadQueue } from './upload-queue.ts'

const ACCEPTED: Outcome = { kind: 'accepted', accepted: { documentId: 'd', versionId: 'v' } }
const NO_NETWORK: Outcome = { kind: 'again', failure: networkFailure() }

const file = (name: string, size = 10): File => {
  const made = new File(['x'.repeat(Math.min(size, 10))], name)
  Object.defineProperty(made, 'size', { value: size })
  return made
}

/** A queue whose sending and waiting the test decides about. */
function scripted() {
  const sent: {
    upload: Upload
    duplicate: DuplicateChoice
    signal: AbortSignal
    end: (outcome: Outcome) => void
    progress: (bytes: number) => void
  }[] = []
  const waits: { ms: number; work: () => void }[] = []
  const queue = new UploadQueue(
    (upload, duplicate, progress, signal) =>
      new Promise((end) => {
        sent.push({ upload, duplicate, signal, end, progress })
      }),
    {
      after: (ms, work) => {
        const wait = { ms, work }
        waits.push(wait)
        return () => {
          const index = waits.indexOf(wait)
          if (index >= 0) waits.splice(index, 1)
        }
      },
    },
  )
  const settle = async () => {
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
  }
  const states = () => queue.uploads().map(({ state }) => state)
  return { queue, sent, waits, settle, states }
}

const target = { collectionId: 'c' }

describe('the upload queue', () => {
  it(`sends ${AT_ONCE} at once and the next as one ends`, async () => {
    const { queue, sent, settle, states } = scripted()
    queue.add(
      target,
      Array.from({ length: AT_ONCE + 2 }, (_, n) => file(`${n}.txt`)),
    )
    expect(sent).toHaveLength(AT_ONCE)
    sent[1]?.end(ACCEPTED)
    await settle()
    expect(sent.map(({ upload }) => upload.file.name)).toEqual(
      Array.from({ length: AT_ONCE + 1 }, (_, n) => `${n}.txt`),
    )
    expect(states()).toEqual([...Array.from({ length: AT_ONCE }, () => 'sending'), 'waiting'])
  })

  it('lets one file go before the rest of a folder that was dropped earlier, and two folders in turn', async () => {
    const { queue, sent, settle } = scripted()
    const folder = (name: string, files: number) =>
      Array.from({ length: files }, (_, n) => file(`${name}${n}`))
    queue.add(target, folder('a', 20))
    for (let n = 0; n < 5; n += 1) {
      sent[n]?.end(ACCEPTED)
      await settle()
    }
    queue.add(target, [file('one')])
    queue.add(target, folder('b', 3))
    for (let n = 5; n < 24; n += 1) {
      sent[n]?.end(ACCEPTED)
      await settle()
    }
    const order = sent.map(({ upload }) => upload.file.name)
    expect(order.slice(7, 14)).toEqual(['a7', 'one', 'b0', 'a8', 'b1', 'a9', 'b2'])
    expect(sent).toHaveLength(24)
    expect(new Set(sent.map(({ upload }) => upload.drop)).size).toBe(3)
    expect(new Set(sent.slice(0, 8).map(({ upload }) => upload.drop)).size).toBe(1)
  })

  it('tells who was accepted, and drops it from its list', async () => {
    const { queue, sent, settle } = scripted()
    const told: string[] = []
    queue.onAccepted((upload, accepted) => told.push(`${upload.file.name} ${accepted.documentId}`))
    queue.add(target, [file('a.txt')])
    sent[0]?.end(ACCEPTED)
    await settle()
    expect(told).toEqual(['a.txt d'])
    expect(queue.uploads()).toEqual([])
  })

  it('tries again after network failures, longer each time, without asking about its own earlier try', async () => {
    const { queue, sent, waits, settle, states } = scripted()
    queue.add(target, [file('a.txt')])
    const delays: number[] = []
    while (sent.length > 0) {
      sent.pop()?.end(NO_NETWORK)
      await settle()
      const wait = waits.pop()
      if (wait === undefined) break
      expect(states()).toEqual(['retrying'])
      delays.push(wait.ms)
      wait.work()
      expect(sent[0]?.duplicate).toBe('skip')
    }
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 30_000])
    expect(states()).toEqual(['failed'])
    queue.retry(queue.uploads()[0]?.id ?? 0)
    expect(states()).toEqual(['sending'])
  })

  it('does not try again what was refused', async () => {
    const { queue, sent, waits, settle, states } = scripted()
    queue.add(target, [file('a.exe'), file('b.txt')])
    sent[0]?.end(outcomeOf(415, '{"code":"FILE_TYPE_UNSUPPORTED","detail":{"type":"exe"}}'))
    await settle()
    expect(states()).toEqual(['failed', 'sending'])
    expect(queue.uploads()[0]?.failure?.message).toContain('exe')
    expect(waits).toEqual([])
  })

  it('goes on at once when the network is back', async () => {
    const { queue, sent, waits, settle } = scripted()
    queue.add(target, [file('a.txt')])
    sent[0]?.end(NO_NETWORK)
    await settle()
    queue.hurry()
    expect(waits).toEqual([])
    expect(sent).toHaveLength(2)
  })

  it('cancels in every state, aborts what is being sent, and lets the next begin', async () => {
    const { queue, sent, waits, settle, states } = scripted()
    queue.add(
      target,
      Array.from({ length: AT_ONCE + 1 }, (_, n) => file(`${n}.txt`)),
    )
    queue.cancel(sent[0]?.upload.id ?? 0)
    sent[0]?.end(NO_NETWORK)
    await settle()
    expect(sent[0]?.signal.aborted).toBe(true)
    expect(sent).toHaveLength(AT_ONCE + 1)
    sent[1]?.end(NO_NETWORK)
    await settle()
    expect(states()).toContain('retrying')
    queue.cancelAll('c')
    expect(queue.uploads()).toEqual([])
    expect(waits).toEqual([])
  })

  it('refuses empty and too large files by itself', () => {
    const { queue, sent } = scripted()
    queue.add(target, [
      file('empty.txt', 0),
      file('big.pdf', LIMITS.fileBytes + 1),
      file('most.pdf', LIMITS.fileBytes),
    ])
    expect(queue.uploads().map(({ failure }) => failure?.code)).toEqual([
      'FILE_EMPTY',
      'TOO_LARGE',
      undefined,
    ])
    expect(queue.uploads()[1]?.failure?.message).toContain('200 MB')
    expect(sent).toHaveLength(1)
    queue.retry(queue.uploads()[0]?.id ?? 0)
    expect(sent).toHaveLength(1)
  })

  it('tells progress in one piece, not for every event', () => {
    const { queue, sent, waits } = scripted()
    queue.add(target, [file('a.txt')])
    let told = 0
    queue.subscribe(() => {
      told += 1
    })
    for (let bytes = 1; bytes <= 9; bytes += 1) sent[0]?.progress(bytes)
    expect([told, waits.length]).toEqual([0, 1])
    waits[0]?.work()
    expect([told, queue.uploads()[0]?.sent]).toEqual([1, 9])
  })
})

describe('what an answer means', () => {
  it('reads acceptances, refusals and "later"', () => {
    expect(outcomeOf(201, '{"documentId":"a","versionId":"b","stage":"received"}').kind).toBe('accepted')
    expect(outcomeOf(200, '<html>').kind).toBe('refused')
    expect(outcomeOf(502, '{"code":"UNAVAILABLE"}').kind).toBe('again')
    expect(outcomeOf(504, '<html>').kind).toBe('again')
    expect(outcomeOf(401, '{"code":"SIGN_IN_REQUIRED"}')).toMatchObject({
      kind: 'refused',
      failure: { code: 'SIGN_IN_REQUIRED' },
    })
  })
})
