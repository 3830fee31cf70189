// What apt has answered, for as long as the mirror says the same: an answer takes seconds of processor, and a bake that has
// nothing to do waits for it alone. The mirror is still asked every time, by apt itself.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'

const schema = z.object({ releases: z.string(), answer: z.string() })
const hashOf = (parts: readonly (string | Buffer)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(createHash('sha256').update(part).digest())
  return hash.digest('hex')
}

/**
 * The answer of the same question over the same lists of packages; else what `ask` says now, which is kept.
 * @param folder of apt's state; its `lists` are up to date
 * @param question everything that the answer depends on beside the lists
 */
export async function remembered(
  folder: string,
  question: readonly string[],
  ask: () => Promise<string>,
): Promise<string> {
  const file = path.join(folder, `answers/${hashOf(question).slice(0, 16)}.json`)
  const releases = releasesOf(path.join(folder, 'lists'))
  const known = read(file)
  if (known !== undefined && known.releases === releases) return known.answer
  const answer = await ask()
  // They may have changed in between, and then nobody knows what was asked.
  if (releases === '' || releasesOf(path.join(folder, 'lists')) !== releases) return answer
  mkdirSync(path.dirname(file), { recursive: true })
  const beside = `${file}.${process.pid}`
  writeFileSync(beside, JSON.stringify({ releases, answer }))
  renameSync(beside, file)
  return answer
}

/** The signed heads of all lists: each names the hashes of the lists below it. Empty: there are none. */
function releasesOf(lists: string): string {
  const names = readdirSync(lists).filter((name) => /_(?:In)?Release(?:\.gpg)?$/.test(name))
  return names.length === 0
    ? ''
    : hashOf(names.sort().flatMap((name) => [name, readFileSync(path.join(lists, name))]))
}

function read(file: string): z.infer<typeof schema> | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    // There is none, or half of one: it is asked again.
    return undefined
  }
}
