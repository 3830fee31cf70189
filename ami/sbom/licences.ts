// Whether everything of npm in an image may be passed on: its licence is one that allows it to everybody, or a person has
// written down why it may all the same.
import satisfies from 'spdx-satisfies'
import { Problem } from '../../local/problem.ts'
import type { Component } from './component.ts'
import type { Bom } from './sbom.ts'
import { LICENCE_WAIVERS, type LicenceWaiver } from './waivers.ts'

/** Ids of SPDX: to be used, changed and passed on, for no more than naming who wrote it. */
export const PERMITTED = [
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'Zlib'],
  ...['BlueOak-1.0.0', 'CC0-1.0', 'CC-BY-4.0', 'Python-2.0', 'Unlicense'],
] as const

/**
 * @param isWhole whether it is of both images: of one alone, the other one's waivers are for nothing
 * @throws Problem naming every package that may not ship, and every waiver that is for nothing
 */
export function requireLicences(
  bom: Bom,
  waivers: readonly LicenceWaiver[] = LICENCE_WAIVERS,
  isWhole = false,
): void {
  const unclear = bom.components
    .filter(({ purl }) => purl?.startsWith('pkg:npm/'))
    .map((component) => ({ name: nameOf(component), said: saidOf(component), version: component.version }))
    .filter(({ said }) => !isPermitted(said))
  const refused = unclear.filter(
    ({ name, said }) => !waivers.some((waiver) => waiver.package === name && waiver.licence === said),
  )
  if (refused.length > 0)
    throw new Problem(
      `Images would pass on what nobody has allowed yet: ${refused.map(({ name, version, said }) => `${name} ${version} (${said})`).join(', ')}.`,
      'Do without it, or say in ami/sbom/waivers.ts why it may be passed on.',
    )
  const idle = waivers.filter(
    (one) => !unclear.some(({ name, said }) => name === one.package && said === one.licence),
  )
  if (isWhole && idle.length > 0)
    throw new Problem(
      `ami/sbom/waivers.ts allows what is in no image any more: ${idle.map((one) => `${one.package} (${one.licence})`).join(', ')}.`,
      'Take it out: what it was for is gone, or has another licence now.',
    )
}

const nameOf = ({ group, name }: Component): string => (group === undefined ? name : `${group}/${name}`)

function saidOf({ licenses = [] }: Component): string {
  const said = licenses.map((one) =>
    'expression' in one ? one.expression : 'id' in one.license ? one.license.id : one.license.name,
  )
  return said.length === 0 ? 'no licence' : said.join(' AND ')
}

function isPermitted(said: string): boolean {
  try {
    return satisfies(said, [...PERMITTED])
  } catch {
    // No expression of SPDX.
    return false
  }
}
