// Order of Debian's version numbers (deb-version(7), "Sorting algorithm"): epoch, then upstream's version, then Debian's
// revision, each as runs of characters and of digits in turn.

/** @returns less than 0 when `a` is the older one, 0 when they are the same, else more */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)]
  return (
    left.epoch - right.epoch ||
    compareText(left.upstream, right.upstream) ||
    compareText(left.revision, right.revision)
  )
}

function parse(version: string) {
  const [, epoch = '0', rest = ''] = /^(?:(\d+):)?(.*)$/.exec(version) ?? []
  const at = rest.lastIndexOf('-')
  // Without a revision it is as if it were 0.
  const [upstream, revision] = at < 0 ? [rest, '0'] : [rest.slice(0, at), rest.slice(at + 1)]
  return { epoch: Number(epoch), upstream, revision }
}

function compareText(a: string, b: string): number {
  for (let [left, right] = [a, b]; left !== '' || right !== ''; ) {
    const [leftWord = '', rightWord = ''] = [/^\D*/.exec(left)?.[0], /^\D*/.exec(right)?.[0]]
    const words = compareWords(leftWord, rightWord)
    if (words !== 0) return words
    left = left.slice(leftWord.length)
    right = right.slice(rightWord.length)
    const [leftDigits = '', rightDigits = ''] = [/^\d*/.exec(left)?.[0], /^\d*/.exec(right)?.[0]]
    const numbers = compareNumbers(leftDigits, rightDigits)
    if (numbers !== 0) return numbers
    left = left.slice(leftDigits.length)
    right = right.slice(rightDigits.length)
  }
  return 0
}

/** A tilde comes before the end, the end before letters, letters before everything else. */
function compareWords(a: string, b: string): number {
  const weight = (character: string | undefined) => {
    if (character === '~') return -1
    if (character === undefined) return 0
    return (/[A-Za-z]/.test(character) ? 0 : 256) + character.charCodeAt(0)
  }
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = weight(a[at]) - weight(b[at])
    if (difference !== 0) return difference
  }
  return 0
}

/** Dates with a time do not fit into a number. */
function compareNumbers(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0)
}
