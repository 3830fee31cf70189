// What npm's registry knows of the packages of npm, by npm's own client: `npm audit` over a lock file of just what is
// deployed. Of a package that is bad because of another one, that other one is told.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { ROOT } from '../../local/install.mjs'
import { parseLock, stagingFiles } from '../recipe/production-lock.ts'
import type { Finding } from './finding.ts'

/** Workspaces that are deployed; the pages' build works its packages into files of its own. */
const WORKSPACES = ['api', 'ami', 'web']
const LONGEST_MS = 180_000

const reportSchema = z.object({
  auditReportVersion: z.literal(2),
  vulnerabilities: z.record(
    z.string(),
    z.looseObject({
      via: z.array(
        z.union([
          z.string(),
          z.looseObject({
            name: z.string(),
            url: z.string(),
            severity: z.enum(['info', 'low', 'moderate', 'high', 'critical']),
            range: z.string(),
          }),
        ]),
      ),
      nodes: z.array(z.string()),
      fixAvailable: z.union([z.boolean(), z.looseObject({ name: z.string(), version: z.string() })]),
    }),
  ),
})

/**
 * @param registry default: the one that npm is set to
 * @throws Error when the registry does not tell
 */
export async function npmFindings(registry?: string): Promise<Finding[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-audit-'))
  try {
    const read = (name: string) => readFileSync(path.join(ROOT, name), 'utf8')
    const files = stagingFiles(
      parseLock(read('package-lock.json')),
      WORKSPACES,
      JSON.parse(read('package.json')).overrides,
    )
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
      writeFileSync(path.join(folder, name), text)
    }
    const versions: unknown = JSON.parse(files['package-lock.json'] ?? '{}').packages
    return findingsOf(await audit(folder, registry), (place) =>
      String(Reflect.get(Object(Reflect.get(Object(versions), place)), 'version')),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @returns what it says, also when it ends with 1, which is how it says that there is something */
function audit(cwd: string, registry: string | undefined): Promise<string> {
  // npm hands its own settings on as variables; the ones of an outer npm name the outer project.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/.test(name)))
  const place = registry === undefined ? [] : [`--registry=${registry}`]
  const args = [
    'audit',
    '--json',
    '--package-lock-only',
    '--omit=dev',
    '--audit-level=none',
    '--fetch-retries=1',
  ]
  return new Promise((resolve, reject) =>
    execFile(
      'npm',
      [...args, ...place],
      { cwd, env, timeout: LONGEST_MS, maxBuffer: 2 ** 26 },
      (error, stdout) =>
        stdout.trim() === '' ? reject(error ?? new Error('npm audit said nothing')) : resolve(stdout),
    ),
  )
}

function findingsOf(said: string, versionAt: (place: string) => string): Finding[] {
  const report: unknown = JSON.parse(said)
  const parsed = reportSchema.safeParse(report)
  if (!parsed.success) {
    const message: unknown = Reflect.get(Object(report), 'message')
    throw new Error(
      typeof message === 'string' ? withoutHost(message) : 'npm audit said something unexpected',
    )
  }
  return Object.entries(parsed.data.vulnerabilities).flatMap(([name, { via, nodes, fixAvailable }]) =>
    via.flatMap((one) => {
      if (typeof one === 'string') return []
      const fixed = fixedIn(one.range) ?? (fixAvailable === false ? undefined : `not ${one.range}`)
      const severity = one.severity === 'info' ? 'low' : one.severity
      const id = one.url.split('/').at(-1) ?? one.url
      const versions = [...new Set(nodes.map(versionAt))]
      return versions.map((version) => ({
        source: 'npm' as const,
        id,
        package: name,
        version,
        severity,
        fixed,
      }))
    }),
  )
}

/**
 * The version from which a weakness is gone. npm itself says that there is no cure where whoever needs a package wants
 * just that version of it, which everything here does.
 */
const fixedIn = (range: string): string | undefined => /<(\d[^\s|<>=]*)$/.exec(range.trim())?.[1]

/** Which registry it is is nobody's business in a log that others read. */
const withoutHost = (text: string): string => text.replaceAll(/https?:\/\/[^\s/]+/g, '…')
