import { describe, expect, it } from 'vitest'
import type { PassageHit } from '../retrieval/search.ts'
import { leanedOn, leansOnHistory, mergeHits } from './followup.ts'
import { selectPassages } from './select.ts'
import { titleFrom } from './title.ts'

let next = 1
const hit = (text: string, more: Partial<PassageHit> = {}): PassageHit => ({
  passageId: next++,
  documentId: `document-${next}`,
  documentName: 'a.txt',
  versionId: 'v',
  readingId: 1,
  collectionId: 'c',
  page: 1,
  charStart: 0,
  charEnd: text.length,
  heading: '',
  text,
  score: 1,
  cosine: 0.8,
  words: 0.5,
  withoutVector: false,
  ...more,
})
const all = { limit: 10, perDocument: 3 }
const ids = (hits: readonly PassageHit[]) => hits.map(({ passageId }) => passageId)

describe('choosing passages', () => {
  it('keeps the order, at most three of one document, and the limit', () => {
    const same = Array.from({ length: 5 }, (_, i) =>
      hit(`text number ${i} of many words that differ ${'x'.repeat(i)}`, { documentId: 'd' }),
    )
    const other = hit('something else entirely about other things')
    expect(ids(selectPassages([...same, other], all))).toEqual([...ids(same).slice(0, 3), other.passageId])
    expect(selectPassages([...same, other], { ...all, limit: 2 })).toHaveLength(2)
  })

  it('says nothing twice: the same text, the same but for a word, a part of it', () => {
    const text =
      'To hold a package at its present version, mark it with apt-mark hold and the name of the package itself.'
    const first = hit(text)
    const twins = [
      text,
      text.toUpperCase(),
      text.replace('present', 'current'),
      `${text} It stays until unhold.`,
      text.slice(0, 60),
    ]
    expect(ids(selectPassages([first, ...twins.map((twin) => hit(twin))], all))).toEqual([first.passageId])
    const different = hit(
      'To release a package that was held, unhold it and let the next upgrade fetch what is newest.',
    )
    expect(selectPassages([first, different], all)).toHaveLength(2)
    expect(
      selectPassages([hit('这是一个关于软件包管理的句子。'), hit('这是一个关于软件包管理的句子!')], all),
    ).toHaveLength(1)
  })

  it('drops what shares neither words nor meaning with the question', () => {
    const far = hit('far', { cosine: 0.4, words: 0.05 })
    const words = hit('by words', { cosine: 0.4, words: 0.4 })
    const meaning = hit('by meaning', { cosine: 0.7, words: 0 })
    const unembedded = hit('not embedded yet', { cosine: null, words: 0.3, withoutVector: true })
    const neither = hit('no vector', { cosine: null, words: 0.05 })
    expect(ids(selectPassages([far, words, meaning, unembedded, neither], all))).toEqual(
      ids([words, meaning, unembedded]),
    )
  })
})

describe('follow-up questions', () => {
  it.each([
    ['How do I hold a package at a specific version with apt?', false],
    ['Which file systems does the Debian installer offer for encrypted partitions?', false],
    ['and how do I undo that?', true],
    ['Why?', true],
    ['どうすれば特定のバージョンのパッケージを保持できますか', false],
    ['なぜ', true],
    ['What about security updates?', true],
    ['Does it survive an upgrade of the distribution?', true],
  ])('%s leans on what was said: %s', (question, leans) => {
    expect(leansOnHistory(question)).toBe(leans)
  })

  it('goes back to what the question leans on, and not beyond it', () => {
    const hold = 'How do I hold the package linux-image-6.1 with apt-mark?'
    expect(leanedOn('And how do I undo that?', [hold])).toBe(hold)
    // The one between names nothing either.
    expect(leanedOn('Does it survive an upgrade?', [hold, 'And how do I undo that?'])).toBe(
      `${hold} And how do I undo that?`,
    )
    expect(leanedOn('Why?', ['What is a conffile?', hold])).toBe(hold)
    expect(leanedOn('And then?', [])).toBeNull()
    expect(
      leanedOn('Which file systems does the Debian installer offer for encrypted partitions?', [hold]),
    ).toBeNull()
  })

  it('goes back three questions, and five hundred characters', () => {
    const chain = ['a first one of many words that stand alone', 'and that?', 'and this?', 'and those?']
    expect(leanedOn('and these?', chain)).toBe('and that? and this? and those?')
    expect(leanedOn('Why?', ['word '.repeat(1_000)])?.length).toBe(500)
  })

  it('a passage counts once, with its best score', () => {
    const a = hit('a', { score: 0.5 })
    const b = hit('b', { score: 0.4 })
    const again = { ...b, score: 0.9 }
    expect(mergeHits([[a, b], [again]]).map(({ text, score }) => [text, score])).toEqual([
      ['b', 0.9],
      ['a', 0.5],
    ])
  })
})

describe('a title', () => {
  it.each([
    ['How do I pin?', 'How do I pin?'],
    ['  # How *do* I\n\npin `apt`?  ', 'How do I pin apt ?'],
    ['a\u0000b\u202Ec', 'abc'],
    [`${'word '.repeat(30)}`, `${'word '.repeat(12).trim()}…`],
    ['字'.repeat(100), `${'字'.repeat(60)}…`],
  ])('of %j', (question, title) => {
    expect(titleFrom(question)).toBe(title)
  })

  it('never ends within a character', () => {
    expect(titleFrom(`${'x'.repeat(59)}${'👩'.repeat(20)}`).isWellFormed()).toBe(true)
  })
})
