// English text for benchmarks, the same in every run on a machine: real sentences (Debian's documentation where it is
// installed, the documentation of installed packages everywhere), drawn again and again into passages. Words occur as
// often, and as often together, as in real text; only the number of passages is made.
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ROOT } from '../harness.ts'

const SOURCES = [
  '/usr/share/doc/debian-handbook/html/en-US/*.html',
  '/usr/share/doc/debian-policy/*.txt.gz',
  '/usr/share/doc/debian/**/*.txt.gz',
  '/usr/share/doc/python3*/html/**/*.html',
  `${ROOT}/node_modules/*/*.md`,
  `${ROOT}/node_modules/@*/*/*.md`,
  `${ROOT}/docs/**/*.md`,
] as const
const MOST_BYTES = 400_000

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Sentences by source file: what stands together belongs together. */
export function readSentences(): string[][] {
  const sources: string[][] = []
  for (const pattern of SOURCES)
    for (const file of globSync(pattern).sort()) {
      const sentences = sentencesOf(read(file))
      if (sentences.length >= 20) sources.push(sentences)
    }
  if (sources.length === 0) throw new Error('no text found: is anything installed?')
  return sources
}

function read(file: string): string {
  const bytes = readFileSync(file)
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8', 0, MOST_BYTES)
  return path.extname(file) === '.html'
    ? text
        .replace(/<(script|style|pre)[\s\S]*?<\/\1>/g, ' ')
        .replace(/<[^>]+>/g, ' ')
        .replace(/&[a-z#0-9]+;/g, ' ')
    : text.replace(/```[\s\S]*?```/g, ' ').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
}

function sentencesOf(text: string): string[] {
  return text
    .split(/(?<=[.!?])\s+|\n\s*\n/)
    .map((sentence) => sentence.replace(/\s+/g, ' ').trim())
    .filter((sentence) => sentence.length >= 30 && sentence.length <= 400 && /^[A-Z]/.test(sentence))
}

export interface TextMaker {
  /** About `words` words on one subject. */
  passage(words: number): string
  heading(): string
  /** A question of about twelve words on something that stands in the text. No two are the same. */
  question(): string
}

const OPENINGS = ['How do I', 'What does it mean that', 'Why is', 'When should', 'Where can I find', 'Can']

export function textMaker(sources: readonly (readonly string[])[], seed: number): TextMaker {
  const random = randomNumbers(seed)
  const pick = <T>(list: readonly T[]): T => {
    const one = list[Math.floor(random() * list.length)]
    if (one === undefined) throw new Error('nothing to pick from')
    return one
  }
  const asked = new Set<string>()
  return {
    passage(words) {
      const subject = pick(sources)
      let text = ''
      for (let count = 0; count < words; ) {
        const sentence = pick(random() < 0.8 ? subject : pick(sources))
        count += sentence.split(' ').length
        text += `${sentence} `
      }
      return text.trim()
    },
    heading: () => pick(pick(sources)).split(' ').slice(0, 5).join(' '),
    question() {
      for (;;) {
        const words = pick(pick(sources))
          .toLowerCase()
          .split(/[^a-z0-9'-]+/)
          .filter((word) => word.length > 1)
        const from = Math.floor(random() * Math.max(1, words.length - 9))
        const question = `${pick(OPENINGS)} ${words.slice(from, from + 9).join(' ')}?`
        if (words.length < 7 || asked.has(question)) continue
        asked.add(question)
        return question
      }
    },
  }
}
