// The static files of a set's pages, kept beside its record under their hash: the next set's web image carries them too, so that a
// page that was opened before a roll finds the rest of itself behind it.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import type { Aws } from '../../aws/port.ts'
import { type Home, stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { parseJson } from '../../infra/images.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { readObject } from './record.ts'

export interface StaticFiles {
  /** Of the text, in hex. */
  readonly sha256: string
  /** JSON: name below `_next/static` → content in base64, sorted by name. No archive: those differ from tool to tool. */
  readonly text: string
}

/** As Next names them. Nothing of these leaves the folder that it is put into. */
const NAME = /^(?!\.)[\w~.-]+(?:\/(?!\.)[\w~.-]+)*$/
const schema = z.record(z.string().regex(NAME), z.base64())

/** @param folder `_next/static` of a build. @returns the same text for the same files */
export function packStatic(folder: string): StaticFiles {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort()
    .map((name) => [name, readFileSync(path.join(folder, name)).toString('base64')])
  return staticOf(JSON.stringify(schema.parse(Object.fromEntries(files))))
}

/** Of their text. */
export const staticOf = (text: string): StaticFiles => ({ sha256: hashOf(text), text })

/** @param folder is made. @throws Error when they are no such text, or a file is named as none of Next's is */
export function unpackStatic({ text }: StaticFiles, folder: string): void {
  for (const [name, content] of Object.entries(schema.parse(parseJson(text)))) {
    const file = path.join(folder, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, Buffer.from(content, 'base64'))
  }
}

/** @throws BakeFailure when they are gone, or others than the record says */
export async function readStatic(
  aws: Aws,
  home: Home,
  { inputs, pages }: { readonly inputs: string; readonly pages?: { readonly files: string } | undefined },
): Promise<StaticFiles> {
  const refuse = (what: string) =>
    new BakeFailure(
      `The pages’ static files of image set ${inputs.slice(0, 12)} ${what}. Nothing was made. --previous SET takes those of another ` +
        'set, --previous none bakes without: pages that are open then have to be loaded anew.',
    )
  if (pages === undefined) throw refuse('were not kept: it was baked before that was done')
  const key = LAYOUT.staticFiles(pages.files)
  const found = await readObject(aws, home, key)
  if (found === undefined) throw refuse(`should be s3://${stateBucket(home)}/${key}, and are not there`)
  if (hashOf(found.text) !== pages.files)
    throw refuse(`in s3://${stateBucket(home)}/${key} are not those that it was made with`)
  return { sha256: pages.files, text: found.text }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
