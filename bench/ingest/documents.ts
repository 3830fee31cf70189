// Real documents to ingest: what Debian's documentation packages carry on this machine, else the repository's own
// Markdown. The same in every run on a machine.
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ROOT } from '../harness.ts'

export interface BenchDocument {
  readonly name: string
  readonly bytes: Buffer
}

const DEBIAN = [
  '/usr/share/doc/debian-policy/policy.txt.gz',
  '/usr/share/doc/debian/FAQ/debian-faq.en.txt.gz',
  '/usr/share/doc/debian-policy/policy.pdf.gz',
  '/usr/share/doc/debian/FAQ/*.en.html',
  '/usr/share/doc/debian-handbook/html/en-US/*.html',
  '/usr/share/doc/python3*/html/**/*.html',
] as const
const OWN = [`${ROOT}/docs/**/*.md`, `${ROOT}/node_modules/*/README.md`] as const

/** Documents until there are `bytes` of files; each once, a text that would go over it cut there. */
export function realDocuments(bytes: number): BenchDocument[] {
  const documents: BenchDocument[] = []
  let total = 0
  for (const pattern of [...DEBIAN, ...OWN])
    for (const file of globSync(pattern).sort()) {
      if (total >= bytes) return documents
      const raw = readFileSync(file)
      const content = file.endsWith('.gz') ? gunzipSync(raw) : raw
      if (content.length < 1_000) continue
      const name = path.basename(file).replace(/\.gz$/, '')
      const kept = /\.(?:txt|md)$/.test(name) ? content.subarray(0, bytes - total) : content
      documents.push({ name, bytes: kept })
      total += kept.length
    }
  return documents
}
