// Any OpenAI-compatible server in Workers AI's place (Ollama, llama.cpp, vLLM): its events go through as they come, because
// the Worker understands them.
import { once } from 'node:events'
import { type Answerer, failure } from './workers-ai.ts'

export interface Upstream {
  /** Up to and without `/chat/completions`. */
  readonly url: string
  readonly apiKey?: string | undefined
}

export function answerFrom({ url, apiKey }: Upstream): Answerer {
  return async (request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    try {
      const { messages, ...input } = request.input
      const reply = await fetch(`${url.replace(/\/+$/, '')}/chat/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body: JSON.stringify({
          model: request.model,
          messages,
          ...input,
          stream: true,
          stream_options: { include_usage: true },
        }),
        signal: gone.signal,
      })
      if (!reply.ok || reply.body === null) {
        request.ended = true
        console.error(`${url} answered ${reply.status}: ${(await reply.text()).slice(0, 500)}`)
        return failure(response, reply.status, 0, 'the model refused')
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      for await (const bytes of reply.body) {
        request.sent++
        if (!response.write(bytes)) await once(response, 'drain', { signal: gone.signal })
      }
      request.ended = true
      response.end()
    } catch (error) {
      if (gone.signal.aborted) return
      request.ended = true
      console.error(`${url} can't be reached:`, error instanceof Error ? (error.cause ?? error) : error)
      if (response.headersSent) response.destroy()
      else failure(response, 502, 0, 'the model could not be reached')
    }
  }
}
