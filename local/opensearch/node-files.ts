// A real OpenSearch node, for tests only: its jars come once through Maven's own client, by name, so that whatever mirror
// or proxy Maven is set up with is used; each has to be the file that artefacts.sha256 names. Then our starter is
// compiled against them.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { NATIVE, run } from '../install.mjs'
import { readZipEntry } from '../models/zip.ts'
import { Problem } from '../problem.ts'

const HERE = import.meta.dirname
const POM = path.join(HERE, 'pom.xml')
const STARTER = path.join(HERE, 'OpenSearchNode.java')
const PINNED = path.join(HERE, 'artefacts.sha256')
const PLUGIN = 'opensearch-knn-2.19.1.0.zip'
/** Of the plugin's archive; what else is in it comes with the node. */
const PLUGIN_JARS = [
  'opensearch-knn-2.19.1.0.jar',
  'guava-32.1.3-jre.jar',
  'failureaccess-1.0.1.jar',
  'commons-lang-2.6.jar',
]
const JAR_BYTES = 64 * 1024 * 1024
const OLDEST_JAVA = 17
/** Of what is published for OpenSearch 2.19. */
const NEWEST_JAVA = 21

export interface NodeFiles {
  /** The program that runs it. */
  readonly java: string
  /** What `java -cp` takes; the class to start is OpenSearchNode. */
  readonly classPath: string
}

/**
 * Fetched and compiled once into `.native/`.
 * @throws Problem with the line to type
 */
export async function nodeFiles(report: (line: string) => void): Promise<NodeFiles> {
  const java = await findJava()
  const key = createHash('sha256')
  for (const file of [PINNED, STARTER]) key.update(readFileSync(file))
  const folder = path.join(NATIVE, `opensearch-${key.digest('hex').slice(0, 12)}`)
  const files = { java: path.join(java, 'java'), classPath: `${folder}:${folder}/*` }
  if (existsSync(folder)) return files
  report('OpenSearch 2.19.1 through Maven, 60 MB')
  const making = mkdtempSync(path.join(NATIVE, 'opensearch-making-'))
  try {
    await fetchArtefacts(path.join(making, 'fetched'))
    const node = path.join(making, 'node')
    unpack(path.join(making, 'fetched'), node)
    await compile(java, node)
    renameSync(node, folder)
    return files
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

/** The folder of `java` and `javac`. */
async function findJava(): Promise<string> {
  const tried: string[] = []
  for (const folder of javaFolders()) {
    const found = await run([path.join(folder, 'javac'), '-version']).catch(() => null)
    if (found === null || found.code !== 0) continue
    const version = Number(/javac (\d+)/.exec(found.text)?.[1])
    if (version >= OLDEST_JAVA && version <= NEWEST_JAVA) return folder
    tried.push(`${folder} is Java ${version}`)
  }
  const found = tried.length === 0 ? '' : ` (${tried.join('; ')})`
  throw new Problem(
    `OpenSearch needs Java ${OLDEST_JAVA} to ${NEWEST_JAVA} with its compiler, which is not here${found}.`,
    'Type: sudo apt-get install -y openjdk-17-jdk-headless && npm run test:distributed',
  )
}

function javaFolders(): string[] {
  const installed = '/usr/lib/jvm'
  return [
    ...(process.env.JAVA_HOME ? [path.join(process.env.JAVA_HOME, 'bin')] : []),
    ...(process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== ''),
    ...(existsSync(installed) ? readdirSync(installed).map((name) => path.join(installed, name, 'bin')) : []),
  ]
}

async function fetchArtefacts(folder: string): Promise<void> {
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
  const command = ['mvn', '-q', '-B', '-ntp', '-f', POM, goal, `-DoutputDirectory=${folder}`]
  const result = await run(command).catch(() => null)
  if (result === null)
    throw new Problem(
      'The OpenSearch node for the tests comes through Maven, which is not here.',
      'Type: sudo apt-get install -y maven && npm run test:distributed',
    )
  if (result.code !== 0)
    throw new Problem(
      `Maven could not fetch OpenSearch: ${result.text.trim().split('\n')[0]}`,
      `See what it says, then start again: ${command.slice(0, -1).join(' ')} -DoutputDirectory=/tmp/opensearch`,
    )
}

function unpack(from: string, to: string): void {
  const pinned = readFileSync(PINNED, 'utf8').trimEnd().split('\n')
  mkdirSync(to)
  for (const line of pinned) {
    const [wanted = '', name = ''] = line.split(/\s+/)
    const file = path.join(from, name)
    if (!existsSync(file))
      throw new Problem(`Maven did not bring ${name}.`, 'See local/opensearch/pom.xml and artefacts.sha256.')
    const bytes = readFileSync(file)
    if (createHash('sha256').update(bytes).digest('hex') !== wanted)
      throw new Problem(
        `What Maven brought as ${name} is not the pinned file.`,
        'See which repository Maven uses (~/.m2/settings.xml), then type: npm run test:distributed',
      )
    if (name !== PLUGIN) copyFileSync(file, path.join(to, name))
    else for (const jar of PLUGIN_JARS) writeFileSync(path.join(to, jar), readZipEntry(bytes, jar, JAR_BYTES))
  }
}

async function compile(java: string, folder: string): Promise<void> {
  const command = [path.join(java, 'javac'), '-proc:none', '-cp', `${folder}/*`, '-d', folder, STARTER]
  const { code, text } = await run(command)
  if (code !== 0) throw new Error(`the node's starter does not compile:\n${text}`)
}
