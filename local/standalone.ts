// What of Next's standalone server differs from one build of the same sources to another, made the same: an image's inputs
// say what is in it, and a page's static files have to be those of its build wherever that was built.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Both hold Next's whole configuration, places of the machine that built it among them. A server that runs reads none of these. */
const WITH_PLACES = ['server.js', '.next/required-server-files.json'] as const

/** New in every build, and the same for all servers of it. */
const WITH_KEYS = {
  '.next/prerender-manifest.json': 'preview',
  '.next/server/preview-props.json': '',
} as const

/**
 * Whoever knows the keys of Next's preview mode sees drafts and renews prepared pages. There are neither here, and whoever has the sources
 * would know keys that are made of them: no header and no cookie can say this one, half of a UTF-16 pair.
 */
const NOBODYS_KEY = '\ud800'

/**
 * @param web folder of a standalone server (with server.js)
 * @param checkout where it was built
 * @throws Error when Next writes its keys otherwise than this knows
 */
export function makeSame(web: string, checkout: string): void {
  for (const name of WITH_PLACES) {
    const file = path.join(web, name)
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(JSON.stringify(checkout).slice(0, -1), '".'))
  }
  for (const [name, field] of Object.entries(WITH_KEYS)) {
    const file = path.join(web, name)
    const whole: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'))
    const keys = field === '' ? whole : whole[field]
    if (typeof keys !== 'object' || keys === null || !('previewModeId' in keys))
      throw new Error(`${file} has no keys of the preview mode where they are looked for: Next has changed`)
    for (const key of Object.keys(keys)) Reflect.set(keys, key, NOBODYS_KEY)
    writeFileSync(file, JSON.stringify(whole))
  }
}
