// What a stage stands on, in the account that the tests run against: the bootstrap, as `npm run bootstrap` brings it.
import { bringBootstrap, type Outcome } from '../../bootstrap/bootstrap.ts'
import type { Settings } from '../../bootstrap/settings.ts'
import { STAGES } from '../../stages.ts'
import type { Visit } from './visit.ts'

const { region, zones } = STAGES.dev

export const settingsIn = (account: string): Settings => ({
  account,
  region,
  zones,
  alertEmail: 'terrace-operators@example.com',
  budget: 1_000,
  ci: undefined,
})

/** @returns what it did, and what it said */
export async function prepareAccount({
  aws,
  account,
}: Visit): Promise<{ outcome: Outcome; lines: string[] }> {
  const lines: string[] = []
  const person = { say: (line: string) => lines.push(line), agrees: async () => true }
  return { outcome: await bringBootstrap(aws, settingsIn(account), person), lines }
}
