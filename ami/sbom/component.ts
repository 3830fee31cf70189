// A part of an image as CycloneDX 1.6 has it (https://cyclonedx.org/docs/1.6/json/): those of its fields that are used.
import { isSupportedSpdxId } from '@cyclonedx/cyclonedx-library/SPDX'

export interface Component {
  readonly type: 'application' | 'data' | 'library' | 'machine-learning-model'
  readonly 'bom-ref': string
  readonly group?: string
  readonly name: string
  readonly version: string
  readonly licenses?: readonly Licence[]
  /** Hex. */
  readonly hashes?: readonly { readonly alg: 'SHA-256' | 'SHA-512' | 'SHA-1'; readonly content: string }[]
  readonly purl?: string
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
}

export type Licence =
  | { readonly license: { readonly id: string } | { readonly name: string } }
  | { readonly expression: string }

/** SPDX's own where it is one: an id, or an expression of ids. */
export function licence(text: string): readonly Licence[] {
  if (isSupportedSpdxId(text)) return [{ license: { id: text } }]
  if (/^[A-Za-z0-9.+()\s-]+$/.test(text) && / (OR|AND|WITH) /.test(text)) return [{ expression: text }]
  return [{ license: { name: text } }]
}
