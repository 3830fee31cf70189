// Real documents for the tests: what Debian's documentation packages carry, unpacked into a folder.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'

const PDFS = {
  'debian-faq.pdf': '/usr/share/doc/debian/FAQ/debian-faq.en.pdf.gz',
  'policy.pdf': '/usr/share/doc/debian-policy/policy.pdf.gz',
  'fhs.pdf': '/usr/share/doc/debian-policy/fhs/fhs-3.0.pdf.gz',
} as const

export type RealPdf = keyof typeof PDFS

export const hasDocuments = Object.values(PDFS).every((file) => existsSync(file))

/** @returns the unpacked file's path */
export function unpackPdf(name: RealPdf, folder: string): string {
  const file = path.join(folder, name)
  writeFileSync(file, gunzipSync(readFileSync(PDFS[name])))
  return file
}
