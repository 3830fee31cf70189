import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowed } from '../filter.ts'
import { Passages } from '../passages.ts'
import { Top } from '../top.ts'
import { Analyser, standalone } from './analysis.ts'
import { Lexical } from './lexical.ts'
import { Postings } from './postings.ts'

describe('analysis', () => {
  const terms = async (language: string, text: string) => (await Analyser.load(language)).terms(text)

  test('English: lower case, stems, no stop words, contractions and possessives cut', async () => {
    expect(await terms('en', "The Packages' configuration isn't the maintainer's.")).toEqual([
      'packag',
      'configur',
      'maintain',
    ])
    expect(await terms('en', "I'm sure we don't need a C compiler")).toEqual(['sure', 'need', 'c', 'compil'])
  })

  test('other languages have their own stems and stop words', async () => {
    expect(await terms('de', 'Die Häuser und das Haus')).toEqual(await terms('de', 'häuser haus'))
    expect(await terms('fr', "L'installation des paquets")).toEqual(await terms('fr', 'installation paquets'))
    expect(await terms('ru', 'и книги')).toHaveLength(1)
    expect(await terms('xx', 'the words')).toEqual(['the', 'words'])
  })

  test('scripts without spaces are cut into words, and the same words come from another text', async () => {
    const long = await terms('zh', '数据库服务器需要配置文件。')
    expect(long.length).toBeGreaterThan(3)
    expect(long).toContain((await terms('zh', '服务器'))[0])
    expect((await terms('th', 'ภาษาไทยไม่มีช่องว่าง')).length).toBeGreaterThan(2)
  })

  test('plain ASCII, which is read in a quicker way, gives what it gives beside other letters', async () => {
    const analyser = await Analyser.load('en')
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 60 }), (text) => {
        expect([...analyser.terms(text), 'œuvr']).toEqual(analyser.terms(`${text} œuvr`))
      }),
    )
  })

  test('forms of a character are one, and nonsense is survived', async () => {
    expect(await terms('en', 'Ｐａｃｋａｇｅ ﬁle')).toEqual(await terms('en', 'package file'))
    expect(await terms('en', '\0\uD800 \u202e!!! ...')).toEqual([])
    expect((await terms('en', 'x'.repeat(100_000)))[0]).toHaveLength(40)
    // Between characters: half of one would be another word after it was written to a file.
    expect((await terms('xx', `${'x'.repeat(39)}𐐨𐐨`))[0]).toBe('x'.repeat(39))
    expect((await terms('en', '漢'.repeat(20_000))).length).toBeGreaterThan(10)
    expect(standalone('\uD800abc')).toBe('\uD800abc')
  })
})

describe('postings', () => {
  const list = (postings: Postings, term: number, before?: number) => {
    const found: [number, number][] = []
    postings.runs(
      term,
      (run, from, to) => {
        for (const posting of run.subarray(from, to)) found.push([posting >>> 8, posting & 255])
      },
      before,
    )
    return found
  }

  test('come back as they were added, across blocks and chunks, for many terms at once', () => {
    const postings = new Postings()
    const terms = Array.from({ length: 50 }, (_, i) => postings.numberOrNew(`t${i}`))
    const expected = new Map<number, [number, number][]>(terms.map((term) => [term, []]))
    // More than one chunk of a million numbers in all, and lists of every length.
    for (let place = 0; place < 60_000; place++)
      for (const term of terms) {
        if (place % (term + 1) !== 0) continue
        const frequency = 1 + ((place * 7 + term) % 300)
        postings.add(term, place, frequency)
        expected.get(term)?.push([place, Math.min(frequency, 255)])
      }
    for (const term of terms) {
      expect(list(postings, term)).toEqual(expected.get(term))
      expect(postings.count(term)).toBe(expected.get(term)?.length)
      for (const before of [0, 1, 2, 777, 59_999, 60_000])
        expect(list(postings, term, before)).toEqual(expected.get(term)?.filter(([place]) => place < before))
    }
  })

  test('added to a saved base, they follow it', () => {
    const saved = {
      terms: ['a', 'b'],
      offsets: Uint32Array.of(0, 2, 3),
      postings: Uint32Array.of((0 << 8) | 1, (5 << 8) | 2, (3 << 8) | 9),
    }
    const postings = new Postings(saved)
    postings.add(postings.numberOrNew('a'), 8, 4)
    postings.add(postings.numberOrNew('c'), 9, 1)
    expect(list(postings, postings.number('a') ?? -1)).toEqual([
      [0, 1],
      [5, 2],
      [8, 4],
    ])
    expect(list(postings, postings.number('a') ?? -1, 8)).toEqual([
      [0, 1],
      [5, 2],
    ])
    expect(list(postings, postings.number('b') ?? -1)).toEqual([[3, 9]])
    expect(list(postings, postings.number('c') ?? -1)).toEqual([[9, 1]])
    expect(postings.number('d')).toBeUndefined()
  })
})

test('a question is read in the language of each passage', async () => {
  const passages = new Passages()
  const lexical = new Lexical(passages)
  const write = async (key: number, language: string, text: string) => {
    await lexical.load(language)
    const slot = passages.newSlot(1)
    const { terms, length } = lexical.count(language, '', text)
    const place = passages.add(key, slot, passages.languageNumber(language), length)
    lexical.add(place, terms)
    passages.publish(slot, { key, collectionKey: 1, versionId: '', first: place, count: 1 })
  }
  await write(1, 'en', 'The gardens of the city')
  await write(2, 'de', 'Die Gärten der Stadt')
  await write(3, 'de', 'Ein Gift im Garten')
  await write(4, 'en', 'A gift for the garden')
  const find = (question: string) => {
    const top = new Top(10)
    if (lexical.scores.score(question))
      lexical.best(allowed(passages, { kind: 'collections', keys: [1] }), new Top(0), top)
    return top.sorted().map(({ id }) => id)
  }
  expect(find('garden').sort()).toEqual([1, 4])
  expect(find('garten').sort()).toEqual([2, 3])
  expect(find('gift').sort()).toEqual([3, 4])
  expect(find('of the der die')).toEqual([])
})

describe('what was asked before', () => {
  async function library(texts: readonly (readonly [language: string, text: string])[]) {
    const passages = new Passages()
    const lexical = new Lexical(passages)
    for (const [i, [language, text]] of texts.entries()) {
      await lexical.load(language)
      const slot = passages.newSlot(1)
      const { terms, length } = lexical.count(language, '', text)
      const place = passages.add(i + 1, slot, passages.languageNumber(language), length)
      lexical.add(place, terms)
      passages.publish(slot, { key: i + 1, collectionKey: 1, versionId: '', first: place, count: 1 })
    }
    /** Scores by number of the text. */
    return (question: string, previous?: string) => {
      lexical.scores.score(question, undefined, previous)
      return texts.map((_, place) => lexical.scores.of(place))
    }
  }

  test('counts for half: a passage with all of the question is above one with all of what was before', async () => {
    const scores = await library([
      ['en', 'undo'],
      ['en', 'hold'],
      ['en', 'undo hold'],
      ['en', 'nothing'],
    ])
    const [undo = 0, hold = 0, both = 0, none] = scores('undo', 'hold')
    expect(both).toBeGreaterThan(undo)
    // The two words are as rare as each other, and so are the two texts as long.
    expect(hold).toBeCloseTo(undo / 2, 5)
    expect(none).toBe(0)
    expect(scores('undo')).toEqual(scores('undo', ''))
    expect(scores('undo')[1]).toBe(0)
    // What the question says itself is not counted twice.
    expect(scores('undo hold', 'hold undo')).toEqual(scores('undo hold'))
  })

  test('by its rarest words only, and by none that no passage has', async () => {
    const common = 'alpha beta gamma delta epsilon'
    const scores = await library([
      ...Array.from({ length: 5 }, () => ['en', common] as const),
      ['en', 'zeta eta'],
      ['en', 'theta iota'],
      ['en', 'question'],
    ])
    const found = scores('question', `${common} zeta eta theta iota aaaa`)
    expect(found.slice(0, 5)).toEqual([0, 0, 0, 0, 0])
    expect(found[5]).toBeGreaterThan(0)
    expect(found[6]).toBeGreaterThan(0)
    expect(found).toEqual(scores('question', `${common} zeta eta theta iota`))
    // Fewer rare ones leave room for others.
    expect(scores('question', `${common} zeta`)[0]).toBeGreaterThan(0)
  })

  test('is read in each language for itself', async () => {
    const scores = await library([
      ...Array.from({ length: 6 }, () => ['en', 'holding packages'] as const),
      ['de', 'the how do is of to'],
      ['en', 'question'],
    ])
    // As German words, the English ones that mean nothing are the rarest of all.
    expect(scores('question', 'How do I hold the packages of it?')[0]).toBeGreaterThan(0)
  })
})
