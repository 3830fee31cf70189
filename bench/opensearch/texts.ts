// Real text for embeddings, about 180,000 short ones on Debian 12: of every package that this machine's apt knows the name
// and the one line that says what it is, and of every entry of WordNet (Debian's `wordnet-base`, fetched by apt and not
// committed) its first word and what it means.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { ROOT } from '../harness.ts'
import { randomNumbers } from '../search/text.ts'

/** "name: what it is", in a seeded random order, so that a part of them is a sample of all. @throws Error without apt */
export function realTexts(): string[] {
  return shuffled([...new Set([...packageTexts(), ...wordTexts()])].sort())
}

function packageTexts(): string[] {
  const all = execFileSync('apt-cache', ['dumpavail'], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const texts = new Map<string, string>()
  for (const stanza of all.split('\n\n')) {
    const name = /^Package: (.+)$/m.exec(stanza)?.[1]
    const description = /^Description: (.+)$/m.exec(stanza)?.[1]
    if (name !== undefined && description !== undefined) texts.set(name, `${name}: ${description}`)
  }
  return [...texts.values()]
}

// A line of WordNet: numbers, the first word as its fifth field, and behind a bar the meaning, with examples in quotes.
function wordTexts(): string[] {
  const folder = wordNet()
  const texts: string[] = []
  for (const kind of ['noun', 'verb', 'adj', 'adv'])
    for (const line of readFileSync(path.join(folder, `data.${kind}`), 'utf8').split('\n')) {
      const word = line.split(' ')[4]?.replaceAll('_', ' ')
      const meaning = line.split(' | ')[1]?.split('; "')[0]?.trim()
      // The licence stands before the entries, indented.
      if (!line.startsWith(' ') && word && meaning) texts.push(`${word}: ${meaning}`)
    }
  return texts
}

function wordNet(): string {
  const folder = path.join(ROOT, '.native/bench-wordnet')
  if (!existsSync(folder)) {
    const half = `${folder}.${process.pid}`
    mkdirSync(half, { recursive: true })
    try {
      execFileSync('apt-get', ['download', 'wordnet-base'], {
        cwd: half,
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      const file = readdirSync(half).find((name) => name.endsWith('.deb'))
      if (file === undefined) throw new Error('apt-get download wordnet-base brought no package')
      execFileSync('dpkg-deb', ['-x', path.join(half, file), half])
      renameSync(half, folder)
    } finally {
      rmSync(half, { recursive: true, force: true })
    }
  }
  return path.join(folder, 'usr/share/wordnet')
}

function shuffled(list: string[]): string[] {
  const next = randomNumbers(8)
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    const [a, b] = [list[i], list[j]]
    if (a !== undefined && b !== undefined) [list[i], list[j]] = [b, a]
  }
  return list
}
