// Which language a document is in: by its script, and where that leaves a choice by a vote of its most common words.
// Only languages that stemming knows are told apart (@orama/stemmers) plus those written without spaces; a wrong
// guess costs a little recall, so an undecided vote is English.

const WORDS: Readonly<Record<string, string>> = {
  en: 'the of and to in is that for it with as was on are be this by at from or an which not have has',
  de: 'der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus',
  fr: 'de la le et les des en un une du dans est que pour qui par sur au avec sont ne pas plus ce',
  es: 'de la que el en y a los se del las un por con una su para es al lo como más o pero sus',
  it: 'di e il la che in un a per è una sono con non si da come le dei nel alla più anche gli della',
  pt: 'de a o que e do da em um para com não uma os no se na por mais as dos como mas foi ao',
  nl: 'de van het een en in is dat op te zijn met voor niet aan er om ook als door maar dan bij uit',
  sv: 'och i att det som en på är av för med till den har de inte om ett han men var jag sig från',
  da: 'og i at det er en til på som af for med de den ikke der har et var fra om han men sig',
  no: 'og i det som en er på til av for at med de den har ikke om et var fra han men jeg ble seg',
  fi: 'ja on ei että se oli hän mutta ovat kun niin myös tai sen joka vain kuin ole sekä mukaan jos',
  hu: 'a az és hogy nem is egy ez meg csak volt de van már ha mint vagy még el kell azt ki',
  ro: 'de și în la a cu pe că o nu din un mai este care să pentru au fost sunt ca se dar lui',
  tr: 've bir bu da de için ile çok o ne gibi daha olarak var kadar olan sonra en ama değil mi ki',
  id: 'yang dan di dengan untuk pada ini dari dalam adalah tidak itu akan oleh atau sebagai juga ke karena bisa',
  sl: 'in je na se za da so v ki pa z ne po s kot od tudi bi to o ali ni iz do pri',
  lt: 'ir yra kad iš į su ar kaip tai buvo bet nuo dėl taip jo per tik apie po bei ne',
  ga: 'agus an na a ar is ag le i bhí go do as sé don ach nó atá bhfuil sa faoi leis',
  ru: 'и в не на что с по как это для а из к от или у за о то его но при же бы',
  uk: 'і в не на що з по як це для та до від або у за про його але при вже є й',
  bg: 'и на в за да се от с не по като са е до което към или след при този през но',
  sr: 'и у је да на се за са од не као су а то или по из до које који али би',
}

/** Words. */
const SHORT = 20

const VOTERS = new Map<string, Set<string>>(
  Object.entries(WORDS).map(([language, words]) => [language, new Set(words.split(' '))]),
)

/** Scripts that decide by themselves; Japanese before Chinese, whose characters it shares. */
const SCRIPTS: readonly (readonly [string, RegExp])[] = [
  ['ja', /[\p{Script=Hiragana}\p{Script=Katakana}]/gu],
  ['ko', /\p{Script=Hangul}/gu],
  ['zh', /\p{Script=Han}/gu],
  ['th', /\p{Script=Thai}/gu],
  ['el', /\p{Script=Greek}/gu],
  ['he', /\p{Script=Hebrew}/gu],
  ['ar', /\p{Script=Arabic}/gu],
  ['hy', /\p{Script=Armenian}/gu],
  ['hi', /\p{Script=Devanagari}/gu],
  ['ta', /\p{Script=Tamil}/gu],
]

/** ISO 639-1. A few thousand characters are enough; of an empty text "en". */
export function detectLanguage(text: string): string {
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  if (letters === 0) return 'en'
  for (const [language, script] of SCRIPTS)
    if ((text.match(script)?.length ?? 0) > letters * (language === 'ja' ? 0.1 : 0.3)) return language
  const votes = new Map<string, number>()
  let words = 0
  for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) {
    words++
    for (const [language, known] of VOTERS)
      if (known.has(word)) votes.set(language, (votes.get(language) ?? 0) + 1)
  }
  const [best] = [...votes].sort((a, b) => b[1] - a[1])
  // Of a text of two lines one vote is much, and English hardly makes two lines without one.
  const enough = words <= SHORT ? 1 : Math.max(2, words * 0.05)
  return best !== undefined && best[1] >= enough ? best[0] : 'en'
}

/** A sample from all over a document: its beginning is often a title page in another language. */
export function languageSample(pages: readonly { readonly text: string }[], characters = 20_000): string {
  const step = Math.max(1, Math.floor(pages.length / 20))
  let sample = ''
  for (let i = 0; i < pages.length && sample.length < characters; i += step)
    sample += `${pages[i]?.text.slice(0, Math.ceil(characters / Math.min(pages.length, 20)))}\n`
  return sample
}
