// What the scripted model says: the first sentence of each of the first passages, each with its number.
// So the answer is made of the documents' own words, and every citation can be checked against its passage.
import type { Knobs } from './scripted-knobs.ts'

interface Message {
  readonly role: string
  readonly content: string
}

/** Words with the space after them: one token each. */
export function answerTokens(messages: readonly Message[], knobs: Knobs): string[] {
  const text = knobs.text ?? answer(givenPassages(messages), knobs.cite ?? 3)
  const tokens = text.match(/\s*\S+/g) ?? []
  if (knobs.tokens === undefined || tokens.length === 0) return tokens
  return Array.from({ length: knobs.tokens }, (_, i) => {
    const token = tokens[i % tokens.length] ?? ''
    return i > 0 && i % tokens.length === 0 ? ` ${token.trim()}` : token
  })
}

/** The question that is to be written out, of a prompt as chat/rewrite.ts makes them; null for every other. */
export function questionToWriteOut(messages: readonly Message[]): string | null {
  const last = messages.at(-1)?.content ?? ''
  return /<said-([0-9a-z]+)>\n(?:.*\n)*Last question: (.*)\n<\/said-\1>/.exec(last)?.[2] ?? null
}

/** The numbered passages of the last message that has any, as chat/prompt.ts writes them. */
export function givenPassages(messages: readonly Message[]): { number: number; text: string }[] {
  const all = messages.map((message) => message.content).join('\n')
  const found = [...all.matchAll(/<passage-([0-9a-z]+) number="(\d+)"[^>]*>\n([\s\S]*?)\n<\/passage-\1>/g)]
  return found.map((match) => ({ number: Number(match[2]), text: match[3] ?? '' }))
}

function answer(passages: readonly { number: number; text: string }[], cite: number): string {
  if (passages.length === 0) return 'I could not find this in the documents.'
  return passages
    .slice(0, cite)
    .map(({ number, text }) => `${firstSentence(text)} [${number}].`)
    .join(' ')
}

function firstSentence(text: string): string {
  const sentence = /^.{20,300}?(?=[.!?](\s|$))/s.exec(text.trim())?.[0] ?? text.trim().slice(0, 200)
  return sentence.replace(/\s+/g, ' ')
}
