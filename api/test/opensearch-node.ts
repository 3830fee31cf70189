// Real OpenSearch nodes of a test's own, on free ports of 127.0.0.1, with the k-NN plugin and no sign-in:
//
//   await using node = await startOpenSearchNode()
//   await using cluster = await startOpenSearchCluster(3)
//
// What is not as in Amazon's service: no security plugin, no bootstrap checks, and of the k-NN engines only Lucene's.
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../local/postgres.ts'

export interface OpenSearchNode extends AsyncDisposable {
  readonly name: string
  readonly url: string
  /** kill -9; what it has written stays. Resolves when its process has ended. */
  kill(): Promise<void>
  /** After `kill`: with what it had written. Resolves when it answers. */
  restart(): Promise<void>
}

export interface OpenSearchCluster extends AsyncDisposable {
  readonly nodes: readonly OpenSearchNode[]
  /** As OPENSEARCH_URL names them. */
  readonly url: string
}

/** Three at once take minutes on a machine that is busy with other tests. */
const PATIENCE_MS = 300_000
const PLUGINS = [
  'org.opensearch.transport.Netty4Plugin',
  'org.opensearch.index.reindex.ReindexPlugin',
  'org.opensearch.painless.PainlessPlugin',
  'org.opensearch.analysis.common.CommonAnalysisPlugin',
  'org.opensearch.index.mapper.MapperExtrasPlugin',
  'org.opensearch.knn.plugin.KNNPlugin',
]

/** @throws Error when the node's files are not named: `npm run test:distributed` does that */
export async function startOpenSearchNode({
  plugins = [],
}: {
  /** Classes of others than k-NN; their files are on the class path. */
  readonly plugins?: readonly string[]
} = {}): Promise<OpenSearchNode> {
  const [http = 0, transport = 0] = await freePorts(2)
  const more = plugins.map((plugin) => `plugin=${plugin}`)
  const node = prepare('n1', http, transport, ['discovery.type=single-node', ...more])
  await node.restart()
  return node
}

/** Any of them may become the cluster manager, and all hold data. @throws as startOpenSearchNode */
export async function startOpenSearchCluster(count: number): Promise<OpenSearchCluster> {
  await using stack = new AsyncDisposableStack()
  const ports = await freePorts(count * 2)
  const names = Array.from({ length: count }, (_, i) => `n${i + 1}`)
  const transports = ports.slice(count)
  const discovery = [
    `discovery.seed_hosts=${transports.map((port) => `127.0.0.1:${port}`).join(',')}`,
    `cluster.initial_cluster_manager_nodes=${names.join(',')}`,
  ]
  const nodes = names.map((name, i) => prepare(name, ports[i] ?? 0, transports[i] ?? 0, discovery))
  for (const node of nodes) stack.use(node)
  await Promise.all(nodes.map((node) => node.restart()))
  const started = stack.move()
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(','),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** Not started yet. */
function prepare(name: string, http: number, transport: number, discovery: string[]): OpenSearchNode {
  const url = `http://127.0.0.1:${http}`
  // Each start has a keeper and a folder of its own; the first one's holds the data, and stays until the end.
  const keepers: Keeper[] = []
  return {
    ...{ name, url },
    async restart() {
      const keeper = keep([
        ...[`node.name=${name}`, `http.port=${http}`, `transport.port=${transport}`, ...discovery],
        ...(keepers[0] === undefined ? [] : [`path.data=${keepers[0].folder}/data`]),
      ])
      keepers.push(keeper)
      await keeper.untilAnswers(url)
    },
    async kill() {
      await keepers.at(-1)?.kill()
    },
    async [Symbol.asyncDispose]() {
      for (const keeper of keepers.toReversed()) await keeper.end()
    },
  }
}

interface Keeper {
  readonly folder: string
  kill(): Promise<void>
  untilAnswers(url: string): Promise<void>
  /** Ends the node and removes the folder. */
  end(): Promise<void>
}

/** A process that ends the node, and removes its folder, when whoever started it is gone (server-keeper.mjs). */
function keep(settings: readonly string[]): Keeper {
  const { OPENSEARCH_JAVA: java, OPENSEARCH_CLASS_PATH: classPath } = process.env
  if (java === undefined || classPath === undefined)
    throw new Error('These tests need an OpenSearch node. Type: npm run test:distributed')
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-opensearch-'))
  const keeper = spawn(
    process.execPath,
    [
      ...[path.join(import.meta.dirname, 'server-keeper.mjs'), folder, java],
      ...['-Xmx768m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, 'OpenSearchNode'],
      ...[`path.home=${folder}`, ...COMMON, ...settings],
    ],
    {
      env: { PATH: process.env.PATH, HOME: folder, TERRACE_TEST_RUN: process.env.TERRACE_TEST_RUN ?? '' },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  let log = ''
  let pid = ''
  for (const stream of [keeper.stdout, keeper.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      pid ||= /^\d+\n/.exec(text)?.[0] ?? ''
      log = (log + text).slice(-8_000)
    })
  const exited = new Promise<void>((resolve) => keeper.once('exit', () => resolve()))
  const over = () => keeper.exitCode !== null || log.includes('the server ended: ')
  async function end(): Promise<void> {
    keeper.stdin.end()
    await exited
  }
  return {
    folder,
    end,
    async kill() {
      process.kill(Number(pid), 'SIGKILL')
      while (!over()) await sleep(10)
    },
    async untilAnswers(url) {
      for (const until = Date.now() + PATIENCE_MS; !(await answers(url)); await sleep(200)) {
        if (!over() && Date.now() < until) continue
        await end()
        throw new Error(`the OpenSearch node did not start:\n${log}`)
      }
    },
  }
}

const COMMON = [
  ...['cluster.name=terrace-test', 'network.host=127.0.0.1', 'transport.type=netty4', 'http.type=netty4'],
  // A full disk of the machine that tests must not fail them; a test that is about it says so itself.
  'cluster.routing.allocation.disk.threshold_enabled=false',
  ...PLUGINS.map((plugin) => `plugin=${plugin}`),
]

/** Each another. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/_cluster/health`, { signal: AbortSignal.timeout(5_000) })
    return response.ok
  } catch {
    return false
  }
}
