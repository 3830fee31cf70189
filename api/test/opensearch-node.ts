// A real OpenSearch node of a test's own, on free ports of 127.0.0.1, with the k-NN plugin and no sign-in:
//
//   await using node = await startOpenSearchNode()
//
// What is not as in Amazon's service: no security plugin, no bootstrap checks, and of the k-NN engines only Lucene's.
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../local/postgres.ts'

export interface OpenSearchNode extends AsyncDisposable {
  readonly url: string
}

const PATIENCE_MS = 120_000
const PLUGINS = [
  'org.opensearch.transport.Netty4Plugin',
  'org.opensearch.index.reindex.ReindexPlugin',
  'org.opensearch.painless.PainlessPlugin',
  'org.opensearch.analysis.common.CommonAnalysisPlugin',
  'org.opensearch.index.mapper.MapperExtrasPlugin',
  'org.opensearch.knn.plugin.KNNPlugin',
]

/** @throws Error when the node's files are not named: `npm run test:distributed` does that */
export async function startOpenSearchNode(): Promise<OpenSearchNode> {
  const { OPENSEARCH_JAVA: java, OPENSEARCH_CLASS_PATH: classPath } = process.env
  if (java === undefined || classPath === undefined)
    throw new Error('These tests need an OpenSearch node. Type: npm run test:distributed')
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-opensearch-'))
  const [http, transport] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${http}`
  const keeper = spawn(
    process.execPath,
    [
      ...[path.join(import.meta.dirname, 'server-keeper.mjs'), folder, java],
      ...['-Xmx768m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'OpenSearchNode'],
      ...settings(folder, http, transport),
    ],
    {
      env: { PATH: process.env.PATH, HOME: folder, TERRACE_TEST_RUN: process.env.TERRACE_TEST_RUN ?? '' },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  let log = ''
  for (const stream of [keeper.stdout, keeper.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-8_000)
    })
  const ended = new Promise<void>((resolve) => keeper.once('exit', () => resolve()))
  const node: OpenSearchNode = {
    url,
    async [Symbol.asyncDispose]() {
      keeper.stdin.end()
      await ended
    },
  }
  for (const until = Date.now() + PATIENCE_MS; ; await sleep(200)) {
    if (await answers(url)) return node
    if (keeper.exitCode === null && !log.includes('the server ended: ') && Date.now() < until) continue
    await node[Symbol.asyncDispose]()
    throw new Error(`the OpenSearch node did not start:\n${log}`)
  }
}

function settings(folder: string, http: number, transport: number): string[] {
  return [
    ...[`path.home=${folder}`, 'cluster.name=terrace-test', 'node.name=n1', 'discovery.type=single-node'],
    ...['network.host=127.0.0.1', `http.port=${http}`, `transport.port=${transport}`],
    ...['transport.type=netty4', 'http.type=netty4'],
    // A full disk of the machine that tests must not fail them; a test that is about it says so itself.
    'cluster.routing.allocation.disk.threshold_enabled=false',
    ...PLUGINS.map((plugin) => `plugin=${plugin}`),
  ]
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/_cluster/health`, { signal: AbortSignal.timeout(5_000) })
    return response.ok
  } catch {
    return false
  }
}
