// One OpenSearch node for a whole run of `npm run test:distributed`. Each test takes names of its own.
import { startOpenSearchNode } from './opensearch-node.ts'

export default async function setup(project: { provide(key: 'opensearch', value: string): void }) {
  const node = await startOpenSearchNode()
  project.provide('opensearch', node.url)
  return () => node[Symbol.asyncDispose]()
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Its address. */
    opensearch: string
  }
}
