// Server-sent events out of a stream's bytes, however the network cut them: within an event, a line, a character.
import { EndpointError } from './errors.ts'

/** UTF-16 units of one unfinished event. A model that sends more in one piece is not answering. */
const MAX_EVENT_LENGTH = 1024 * 1024

export interface EventReader {
  /** The data of every event that these bytes complete. @throws EndpointError MODEL_BROKEN */
  push(bytes: Uint8Array): string[]
  /** What was left without its blank line when the stream ended. */
  end(): string[]
}

export function createEventReader(): EventReader {
  // Not fatal: a token that ends within a character must not end the answer.
  const decoder = new TextDecoder()
  let rest = ''
  let searched = 0
  let data: string[] = []
  const events: string[] = []

  const dispatch = () => {
    if (data.length > 0) events.push(data.join('\n'))
    data = []
  }
  const line = (text: string) => {
    if (text === '') dispatch()
    // Comments, ids and names of events say nothing here.
    else if (text.startsWith('data:')) data.push(text.slice(text[5] === ' ' ? 6 : 5))
  }
  const take = (): string[] => {
    let start = 0
    for (;;) {
      const end = rest.indexOf('\n', Math.max(start, searched))
      if (end < 0) break
      line(rest.slice(start, rest[end - 1] === '\r' && end > start ? end - 1 : end))
      start = end + 1
    }
    rest = rest.slice(start)
    searched = rest.length
    if (rest.length + data.reduce((sum, { length }) => sum + length, 0) > MAX_EVENT_LENGTH)
      throw new EndpointError('MODEL_BROKEN', {}, 'an event without end')
    return events.splice(0)
  }

  return {
    push(bytes) {
      rest += decoder.decode(bytes, { stream: true })
      return take()
    },
    end() {
      rest += decoder.decode()
      const found = take()
      if (rest !== '') line(rest)
      dispatch()
      return [...found, ...events.splice(0)]
    },
  }
}
