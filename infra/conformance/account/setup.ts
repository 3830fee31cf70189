// One target for a whole run of `npm run test:aws`. What it is like: target.ts.
import type { TestProject } from 'vitest/node'
import { openTarget, type Target } from './target.ts'

export default async function setup(project: TestProject) {
  const { [Symbol.asyncDispose]: close, ...target } = await openTarget(process.env)
  project.provide('target', target)
  return close
}

declare module 'vitest' {
  export interface ProvidedContext {
    target: Target
  }
}
