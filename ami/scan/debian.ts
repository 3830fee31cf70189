// What Debian's security tracker knows of the packages of Debian in an SBOM (https://security-tracker.debian.org/tracker/data/json:
// source package → id → releases → status). It names sources; so does the SBOM.
import { z } from 'zod'
import { SUITE } from '../recipe/debian.ts'
import type { Bom } from '../sbom/sbom.ts'
import { compareVersions } from './debian-version.ts'
import type { Finding } from './finding.ts'

const trackerSchema = z.record(
  z.string(),
  z.record(
    z.string(),
    z.looseObject({
      releases: z
        .record(
          z.string(),
          z.looseObject({
            status: z.string(),
            fixed_version: z.string().optional(),
            urgency: z.string().optional(),
          }),
        )
        .optional(),
    }),
  ),
)

const SEVERITY: Readonly<Record<string, Finding['severity']>> = {
  high: 'high',
  medium: 'moderate',
  low: 'low',
  unimportant: 'low',
}

/**
 * @param tracker all that it has, as JSON
 * @throws ZodError when it has another form now
 */
export function debianFindings(bom: Bom, tracker: unknown): Finding[] {
  const known = trackerSchema.parse(tracker)
  return sourcesOf(bom).flatMap(({ name, version }) =>
    Object.entries(known[name] ?? {}).flatMap(([id, { releases }]): Finding[] => {
      const state = releases?.[SUITE]
      if (state === undefined) return []
      const { status, fixed_version: fixed, urgency = '' } = state
      const severity = SEVERITY[urgency.replaceAll('*', '')] ?? 'unknown'
      const finding = { source: 'debian' as const, id, package: name, version, severity }
      if (status === 'open') return [{ ...finding, fixed: undefined }]
      // A fixed version 0, which all are later than: the release never had it.
      const isFixed = fixed === undefined || compareVersions(version, fixed) >= 0
      return status !== 'resolved' || isFixed ? [] : [{ ...finding, fixed }]
    }),
  )
}

function sourcesOf(bom: Bom): { name: string; version: string }[] {
  const found = bom.components.flatMap(({ properties = [] }) => {
    const value = (name: string) => properties.find((one) => one.name === name)?.value
    const [name, version] = [value('debian:source'), value('debian:source-version')]
    return name === undefined || version === undefined ? [] : [unsigned(name, version)]
  })
  return [...new Map(found.map((one) => [`${one.name}=${one.version}`, one])).values()]
}

/** A kernel that is signed is built from a source of its own: `linux-signed-amd64` 6.12.57+1 is `linux` 6.12.57-1. */
function unsigned(name: string, version: string): { name: string; version: string } {
  const [, plain] = /^(linux)-signed-\w+$/.exec(name) ?? []
  return plain === undefined
    ? { name, version }
    : { name: plain, version: version.replace(/\+(?=[^+]*$)/, '-') }
}
