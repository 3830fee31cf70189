// "Try it with sample documents": Terrace's own documentation, uploaded like any other file.
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { Viewer } from '../access/port.ts'
import { type LibraryDeps, receiveFile, requireUploadTarget } from './receive.ts'

/** docs/samples of this checkout or image. */
const SAMPLES = path.resolve(import.meta.dirname, '../../../docs/samples')

/** Those that are in the collection already are skipped. @returns how many documents were added */
export async function addSamples(
  deps: LibraryDeps,
  viewer: Viewer,
  collectionId: string,
): Promise<{ documents: number }> {
  await requireUploadTarget(deps.pool, viewer, { collectionId })
  const names = (await readdir(SAMPLES)).filter((name) => /\.(md|pdf)$/.test(name)).sort()
  let documents = 0
  // The first of them is listed first, and lists show the newest on top.
  for (const name of names.reverse()) {
    const body = createReadStream(path.join(SAMPLES, name))
    const { created } = await receiveFile(deps, viewer, { collectionId, name, duplicate: 'skip', body })
    if (created) documents += 1
  }
  return { documents }
}
