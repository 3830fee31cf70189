// Words as the index sees them, by language: which ones say nothing (stop words) and what they are cut down to (stems).
// The language is the passage's (ISO 639-1, found at ingestion); a question is read in every language the index holds.
// A language without a stemmer keeps its words whole: found when written the same way.

export interface Language {
  readonly stem: (word: string) => string
  readonly stopWords: ReadonlySet<string>
}

interface Source {
  readonly stemmer?: () => Promise<{ stemmer: (word: string) => string }>
  readonly stopWords?: () => Promise<{ stopwords: string[] }>
}

const SOURCES: Readonly<Record<string, Source>> = {
  ar: { stemmer: () => import('@orama/stemmers/arabic'), stopWords: () => import('@orama/stopwords/arabic') },
  bg: {
    stemmer: () => import('@orama/stemmers/bulgarian'),
    stopWords: () => import('@orama/stopwords/bulgarian'),
  },
  da: { stemmer: () => import('@orama/stemmers/danish'), stopWords: () => import('@orama/stopwords/danish') },
  de: { stemmer: () => import('@orama/stemmers/german'), stopWords: () => import('@orama/stopwords/german') },
  el: { stemmer: () => import('@orama/stemmers/greek'), stopWords: () => import('@orama/stopwords/greek') },
  en: {
    stemmer: () => import('@orama/stemmers/english'),
    stopWords: () => import('@orama/stopwords/english'),
  },
  es: {
    stemmer: () => import('@orama/stemmers/spanish'),
    stopWords: () => import('@orama/stopwords/spanish'),
  },
  fi: {
    stemmer: () => import('@orama/stemmers/finnish'),
    stopWords: () => import('@orama/stopwords/finnish'),
  },
  fr: { stemmer: () => import('@orama/stemmers/french'), stopWords: () => import('@orama/stopwords/french') },
  ga: { stemmer: () => import('@orama/stemmers/irish'), stopWords: () => import('@orama/stopwords/irish') },
  hi: { stemmer: () => import('@orama/stemmers/indian'), stopWords: () => import('@orama/stopwords/indian') },
  hu: {
    stemmer: () => import('@orama/stemmers/hungarian'),
    stopWords: () => import('@orama/stopwords/hungarian'),
  },
  hy: {
    stemmer: () => import('@orama/stemmers/armenian'),
    stopWords: () => import('@orama/stopwords/armenian'),
  },
  id: {
    stemmer: () => import('@orama/stemmers/indonesian'),
    stopWords: () => import('@orama/stopwords/indonesian'),
  },
  it: {
    stemmer: () => import('@orama/stemmers/italian'),
    stopWords: () => import('@orama/stopwords/italian'),
  },
  ja: { stopWords: () => import('@orama/stopwords/japanese') },
  lt: {
    stemmer: () => import('@orama/stemmers/lithuanian'),
    stopWords: () => import('@orama/stopwords/lithuanian'),
  },
  nl: { stemmer: () => import('@orama/stemmers/dutch'), stopWords: () => import('@orama/stopwords/dutch') },
  no: {
    stemmer: () => import('@orama/stemmers/norwegian'),
    stopWords: () => import('@orama/stopwords/norwegian'),
  },
  pt: {
    stemmer: () => import('@orama/stemmers/portuguese'),
    stopWords: () => import('@orama/stopwords/portuguese'),
  },
  ro: {
    stemmer: () => import('@orama/stemmers/romanian'),
    stopWords: () => import('@orama/stopwords/romanian'),
  },
  ru: {
    stemmer: () => import('@orama/stemmers/russian'),
    stopWords: () => import('@orama/stopwords/russian'),
  },
  sl: { stopWords: () => import('@orama/stopwords/slovenian') },
  sr: {
    stemmer: () => import('@orama/stemmers/serbian'),
    stopWords: () => import('@orama/stopwords/serbian'),
  },
  sv: {
    stemmer: () => import('@orama/stemmers/swedish'),
    stopWords: () => import('@orama/stopwords/swedish'),
  },
  ta: { stemmer: () => import('@orama/stemmers/tamil'), stopWords: () => import('@orama/stopwords/tamil') },
  tr: {
    stemmer: () => import('@orama/stemmers/turkish'),
    stopWords: () => import('@orama/stopwords/turkish'),
  },
  uk: {
    stemmer: () => import('@orama/stemmers/ukrainian'),
    stopWords: () => import('@orama/stopwords/ukrainian'),
  },
  zh: { stopWords: () => import('@orama/stopwords/mandarin') },
}

/** The lists lack the shortest words, and contractions fall into two words when a text is cut at its apostrophes. */
const FRAGMENTS: Readonly<Record<string, readonly string[]>> = {
  en: ['a', 'd', 'don', 'i', 'isn', 'll', 'm', 're', 's', 't', 've'],
}

export async function loadLanguage(code: string): Promise<Language> {
  const source = SOURCES[code] ?? {}
  const stem = (await source.stemmer?.())?.stemmer
  const words = (await source.stopWords?.())?.stopwords ?? []
  const stopWords = new Set(FRAGMENTS[code] ?? [])
  for (const word of words) if (!/['’]/.test(word)) stopWords.add(word.normalize('NFKC').toLowerCase())
  return { stem: stem ?? ((word) => word), stopWords }
}
