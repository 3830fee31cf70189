// The two forms of an answer: OpenAI's, and the plain one of `POST /`. Each as events of a stream and as one object.
import type { Outcome } from './answer.ts'

export interface Ending extends Outcome {
  /** For answers to answer tokens. */
  readonly receipt?: string
}

export interface Shape {
  text(text: string): string
  /** Everything after the text, `[DONE]` included. */
  end(ending: Ending): string
  whole(ending: Ending): object
}

const DONE = 'data: [DONE]\n\n'

export function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

export interface OpenAIOptions {
  /** Of the answer. */
  readonly id: string
  /** Logical name. */
  readonly model: string
  readonly includeUsage: boolean
}

export function openAIShape({ id, model, includeUsage }: OpenAIOptions): Shape {
  const created = Math.floor(Date.now() / 1_000)
  const head = { id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created, model }
  // What all chunks of text have in common is written once.
  const before = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[{"index":0,"delta":`
  const after = ',"finish_reason":null}]}\n\n'
  let first = true
  const role = () => {
    const said = first ? '{"role":"assistant","content":' : '{"content":'
    first = false
    return said
  }
  return {
    text: (text) => `${before}${role()}${JSON.stringify(text)}}${after}`,
    end({ usage, finish, receipt }) {
      const finished = event({ ...head, choices: [{ index: 0, delta: {}, finish_reason: finish }] })
      const last = includeUsage || receipt !== undefined
      return `${finished}${last ? event({ ...head, choices: [], usage, ...receiptField(receipt) }) : ''}${DONE}`
    },
    whole({ text, usage, finish, receipt }) {
      const message = { role: 'assistant', content: text, refusal: null }
      const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }]
      return { ...head, object: 'chat.completion', choices, usage, ...receiptField(receipt) }
    },
  }
}

/** As Workers AI itself answers, with the last event saying the rest. */
export function plainShape(model: string): Shape {
  const rest = ({ usage, finish, receipt }: Ending) => ({
    model,
    usage,
    finish_reason: finish,
    ...receiptField(receipt),
  })
  return {
    text: (text) => event({ response: text }),
    end: (ending) => `${event({ response: '', ...rest(ending) })}${DONE}`,
    whole: (ending) => ({ response: ending.text, ...rest(ending) }),
  }
}

function receiptField(receipt: string | undefined): { receipt?: string } {
  return receipt === undefined ? {} : { receipt }
}
