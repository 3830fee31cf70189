// The Prisma client: TypeScript generated from prisma/schema.prisma, not committed.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { NATIVE, ROOT, run } from './install.mjs'
import { fingerprint, readStamp, writeStamp } from './stamps.ts'

const PRISMA = path.join(ROOT, 'node_modules/prisma/build/index.js')

/** @returns whether it had to be generated */
export async function generateClient(): Promise<boolean> {
  const wanted = fingerprint(['prisma/schema.prisma', 'node_modules/@prisma/client/package.json'])
  const made = path.join(ROOT, 'api/src/database/generated/client.ts')
  if (existsSync(made) && readStamp('prisma') === wanted) return false
  const { code, text } = await run([process.execPath, PRISMA, 'generate'], {
    log: path.join(NATIVE, 'prisma-generate.log'),
    env: { ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' },
  })
  if (code !== 0) throw new Error(`prisma generate failed:\n${text}`)
  writeStamp('prisma', wanted)
  return true
}
