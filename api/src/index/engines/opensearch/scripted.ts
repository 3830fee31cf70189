// For tests: the client and a cluster that answers as the test says, and what an index may say of itself.
import { onTestFinished } from 'vitest'
import { type ScriptedCluster, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import { Cluster } from './cluster.ts'
import type { IndexFacts } from './documents.ts'

export const FACTS: IndexFacts = {
  position: { epoch: 'e', seq: 7, entryId: 'x' },
  generation: { id: 1, dimensions: 3 },
  ...{ passages: 300, vectors: 200, length: 3_000, languages: { en: 200, de: 100 }, counted: true },
}

/** Both end with the test. */
export async function opened(
  script: ScriptedCluster['script'],
): Promise<{ scripted: ScriptedCluster; cluster: Cluster }> {
  const scripted = await scriptedCluster(script)
  const cluster = new Cluster(scripted.url)
  onTestFinished(() => scripted[Symbol.asyncDispose]())
  onTestFinished(() => cluster.close())
  return { scripted, cluster }
}
