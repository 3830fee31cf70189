// What `npm start` says when everything is up.

import path from 'node:path'
import { ROOT, type Settings } from './settings.ts'
import type { SetupResult } from './setup.ts'

export interface SummaryInputs {
  readonly settings: Settings
  readonly setup: SetupResult
  /** Null when DATABASE_URL names a PostgreSQL. */
  readonly dataDir: string | null
  /** Given only while there is no owner. */
  readonly setupToken: string | null
}

export function summary({ settings, setup, dataDir, setupToken }: SummaryInputs): string {
  const home = path.relative(ROOT, settings.home).startsWith('..')
    ? settings.home
    : `${path.join(path.relative(ROOT, settings.home), '/')} (${settings.home})`
  const lines: [string, string][] = [['Terrace', `runs at ${settings.publicUrl}`]]
  if (setupToken !== null)
    lines.push(['First', `create the owner's account: ${settings.publicUrl}/setup?token=${setupToken}`])
  if (!/^(127\.|::1$|localhost$)/.test(settings.host) && /\/\/localhost[:/]?/.test(settings.publicUrl))
    lines.push([
      'Others',
      `come in only by the address that PUBLIC_URL names: PUBLIC_URL=http://THIS-MACHINE:${settings.webPort} HOST=${settings.host} npm start`,
    ])
  lines.push(['Data', home])
  if (dataDir === null) lines.push(['Database', 'the PostgreSQL of DATABASE_URL'])
  else if (!dataDir.startsWith(settings.home)) lines.push(['Database', dataDir])
  if (setup.faiss) lines.push(['Vectors', setup.faiss.sentence])
  if (setup.weights) lines.push(['Search', setup.weights.sentence])
  lines.push(['Logs', path.join(settings.home, 'logs')], ['Stop', 'Ctrl-C'])
  return `\n${lines.map(([name, text]) => `  ${name.padEnd(9)} ${text}`).join('\n')}\n`
}
