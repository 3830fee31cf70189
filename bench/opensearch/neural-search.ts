// OpenSearch's own ways to fuse rankings, the query `hybrid`, are in a plugin that the product does not need: it comes once,
// through Maven's own client, for the benchmark that compares them.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { readZipEntry } from '../../local/models/zip.ts'
import { ROOT } from '../harness.ts'

const VERSION = '2.19.1.0'
const ARCHIVE = `neural-search-${VERSION}.zip`
const SHA256 = 'b17ca1d774692902c58cbae102bf463970740c31d81446866e8eabd336e285aa'
/** Of the archive; what else is in it comes with the node. */
const JARS = [
  ...[
    `opensearch-neural-search-${VERSION}.jar`,
    `opensearch-ml-client-${VERSION}.jar`,
    `common-utils-${VERSION}.jar`,
  ],
  ...['commons-lang3-3.14.0.jar', 'commons-text-1.10.0.jar', 'gson-2.10.1.jar', 'json-20231013.jar'],
  ...['json-path-2.9.0.jar', 'jackson-annotations-2.18.2.jar', 'jackson-databind-2.18.2.jar'],
] as const
const JAR_BYTES = 64 * 1024 * 1024

export const NEURAL_SEARCH = 'org.opensearch.neuralsearch.plugin.NeuralSearch'

/** @returns what is put after a node's class path. @throws Error without Maven, or where it brings another file */
export function neuralSearchFiles(): string {
  const folder = path.join(ROOT, `.native/neural-search-${VERSION}`)
  if (existsSync(folder)) return `${folder}/*`
  const making = mkdtempSync(path.join(ROOT, '.native/neural-search-making-'))
  try {
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'
    const artifact = `org.opensearch.plugin:neural-search:${VERSION}:zip`
    execFileSync('mvn', ['-q', '-B', '-ntp', goal, `-Dartifact=${artifact}`, `-DoutputDirectory=${making}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const bytes = readFileSync(path.join(making, ARCHIVE))
    if (createHash('sha256').update(bytes).digest('hex') !== SHA256)
      throw new Error(`what Maven brought as ${ARCHIVE} is not the pinned file`)
    const jars = path.join(making, 'jars')
    mkdirSync(jars)
    for (const jar of JARS) writeFileSync(path.join(jars, jar), readZipEntry(bytes, jar, JAR_BYTES))
    renameSync(jars, folder)
    return `${folder}/*`
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}
