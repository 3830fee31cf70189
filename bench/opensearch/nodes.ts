// Nodes for a benchmark: their files, where the tests' starters look for them.
import { nodeFiles } from '../../local/opensearch/node-files.ts'

/** @param more put after a node's class path. @throws Problem with the line to type */
export async function prepareNodes(...more: readonly string[]): Promise<void> {
  const { java, classPath } = await nodeFiles((line) => console.log(line))
  Object.assign(process.env, {
    ...{ OPENSEARCH_JAVA: java, OPENSEARCH_CLASS_PATH: [classPath, ...more].join(':') },
  })
}
