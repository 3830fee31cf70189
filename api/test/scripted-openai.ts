// OpenAI's chat protocol, as the scripted model speaks it.
import type { Asked, Wire } from './scripted-wire.ts'

interface Body {
  readonly model: string
  readonly messages: readonly { role: string; content: string | { text?: string }[] }[]
  readonly stream?: boolean
  readonly max_tokens?: number
  readonly max_completion_tokens?: number
}

export const OPENAI: Wire = {
  serves: /^\/v1\/chat\/completions$/,
  contentType: 'text/event-stream',
  refusal: () => null,
  asked(_message, given) {
    const body = given as unknown as Body
    return {
      model: body.model,
      messages: body.messages.map(({ role, content }) => ({
        role,
        content: typeof content === 'string' ? content : content.map((part) => part.text ?? '').join(''),
      })),
      maxTokens: body.max_tokens ?? body.max_completion_tokens ?? null,
      stream: body.stream === true,
    }
  },
  token: (model, text) => frame(model, { content: text }),
  thought: (model, text) => frame(model, { reasoning_content: text }),
  end: (request, terse) => `${terse ? '' : frame(request.model, {}, 'stop', usage(request))}data: [DONE]\n\n`,
  error: (status) => ({ status, body: { error: errorBody(status) } }),
  errorEvent: (status) => `data: ${JSON.stringify({ error: errorBody(status) })}\n\n`,
  garbage: 'data: {"choices": [{"delta": {"content": \n\ndata: <html>\n\n',
}

function frame(model: string, delta: object, finish: string | null = null, used?: object): string {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  const chunk = { id: 'scripted', object: 'chat.completion.chunk', created: 0, model, choices }
  return `data: ${JSON.stringify(used === undefined ? chunk : { ...chunk, usage: used })}\n\n`
}

export function usage(request: Asked & { readonly sent: number }) {
  const letters = request.messages.reduce((sum, message) => sum + message.content.length, 0)
  const input = Math.ceil(letters / 4)
  return { prompt_tokens: input, completion_tokens: request.sent, total_tokens: input + request.sent }
}

function errorBody(status: number) {
  return { message: `scripted error ${status}`, type: 'scripted', param: null, code: status }
}
