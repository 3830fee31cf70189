// The bundle that is deployed, made once for all tests.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bundleWorker } from '../local/wrangler.ts'

export default async function setup(project: {
  provide(key: 'workerBundle', value: { file: string; bytes: number }): void
}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-worker-test-'))
  project.provide('workerBundle', await bundleWorker(folder))
  return () => rmSync(folder, { recursive: true, force: true })
}

declare module 'vitest' {
  export interface ProvidedContext {
    workerBundle: { file: string; bytes: number }
  }
}
