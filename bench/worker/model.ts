// The scripted model in a process of its own, so that neither the endpoint's clients nor the Terrace before it share a
// core's turn with it. The parent asks over the fork's channel what became of the last request.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { answerScripted } from '../../worker/local/scripted.ts'
import { startWorkersAi } from '../../worker/local/workers-ai.ts'

export interface ModelProcess {
  readonly port: number
  readonly pid: number
  /** Requests that have arrived so far. */
  count(): Promise<number>
  /** When the last request's connection was closed before its end, as soon as it is: milliseconds since 1970. */
  aborted(): Promise<number>
  close(): Promise<void>
}

type Question = 'count' | 'aborted'

export async function startModel(): Promise<ModelProcess> {
  const child = fork(import.meta.filename, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const port = await answer(child)
  const ask = (question: Question) => {
    child.send(question)
    return answer(child)
  }
  return {
    port,
    pid: child.pid ?? 0,
    count: () => ask('count'),
    aborted: () => ask('aborted'),
    async close() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

async function answer(child: ChildProcess): Promise<number> {
  const [value] = (await once(child, 'message')) as [number]
  return value
}

if (process.send !== undefined && import.meta.main) {
  let arrived = 0
  const ai = await startWorkersAi((request, response) => {
    arrived++
    return answerScripted(request, response)
  })
  process.on('message', async (question: Question) => {
    if (question === 'count') return void process.send?.(arrived)
    const last = ai.requests.at(-1)
    while (last?.abortedAt === null && !last.ended) await new Promise((resolve) => setTimeout(resolve, 1))
    process.send?.(last?.abortedAt ?? Number.NaN)
  })
  process.once('disconnect', () => process.exit())
  process.send(ai.port)
}
