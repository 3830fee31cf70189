// The bundle that is deployed and its configuration, made once for all tests.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ProvidedContext } from 'vitest'
import { bundleWorker, readConfiguration, type WorkerConfiguration } from '../local/wrangler.ts'

export default async function setup(project: {
  provide<T extends keyof ProvidedContext>(key: T, value: ProvidedContext[T]): void
}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-worker-test-'))
  project.provide('workerBundle', await bundleWorker(folder))
  project.provide('workerConfiguration', await readConfiguration())
  return () => rmSync(folder, { recursive: true, force: true })
}

declare module 'vitest' {
  export interface ProvidedContext {
    workerBundle: { file: string; bytes: number }
    workerConfiguration: WorkerConfiguration
  }
}
