// `npm run test:distributed`, second half: the OpenSearch node's files, then the tests that need real nodes
// (vitest.distributed.config.ts). They start and end their nodes themselves; whatever were left running is ended here
// and counts as a failure.
import { generateClient } from '../generate.ts'
import { setupLock } from '../install.mjs'
import { explain } from '../problem.ts'
import { runApart } from '../test-setup/apart.ts'
import { type NodeFiles, nodeFiles } from './node-files.ts'

async function setUp(): Promise<NodeFiles> {
  const release = await setupLock()
  try {
    await generateClient()
    return await nodeFiles((line) => console.log(line))
  } finally {
    release()
  }
}

/** What the caller's own Terrace, Java and AWS account use must not reach the tests. */
function environment({ java, classPath }: NodeFiles): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(?:AWS_|DATABASE_|OPENSEARCH_|INDEX_|JAVA_|JDK_|_JAVA_|STORAGE$|TERRACE_HOME$|MODELS$|PUBLIC_URL$|NODE_ENV$)/.test(
        name,
      ),
  )
  return { ...Object.fromEntries(kept), OPENSEARCH_JAVA: java, OPENSEARCH_CLASS_PATH: classPath }
}

try {
  const files = await setUp()
  process.exitCode = await runApart('vitest.distributed.config.ts', process.argv.slice(2), environment(files))
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}
