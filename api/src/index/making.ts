// Files of the index's folder that are only being made: vectors that no checkpoint has yet, a checkpoint that is being
// written or fetched. They lie in a folder of their own, under their process's name, and get a name that a manifest may
// say right before one does. So what a process left that was killed can be told from what a living one still needs, and
// goes at once: tried again and again, a rebuild would fill the disk with it, and a full disk lets no checkpoint be
// written that clears up.
import { mkdir, rename, utimes } from 'node:fs/promises'
import path from 'node:path'
import { ownFile, sweepOwnFiles } from '../storage/own-files.ts'

const FOLDER = 'making'

/** A path for a new file of this process's own, on the index folder's disk. */
export async function newFile(dir: string): Promise<string> {
  return ownFile(await folderIn(dir))
}

/** Gives it its name in the index's folder. A manifest has to follow, or it is taken for a stray after a while. */
export async function settle(file: string, dir: string, name: string): Promise<void> {
  // That while begins now, however long ago the file was written.
  const now = new Date()
  await utimes(file, now, now)
  await rename(file, path.join(dir, name))
}

/** Removes what processes left that are no more. Safe at any time, beside any others. */
export async function sweepMaking(dir: string): Promise<void> {
  await sweepOwnFiles(await folderIn(dir))
}

async function folderIn(dir: string): Promise<string> {
  const folder = path.join(dir, FOLDER)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return folder
}
