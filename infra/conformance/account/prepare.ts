// What a stage stands on, in the account that the tests run against: the bootstrap, as `npm run bootstrap` brings it.
import { CreateRoleCommand } from '@aws-sdk/client-iam'
import type { Aws } from '../../../aws/port.ts'
import { bringBootstrap, type Outcome } from '../../bootstrap/bootstrap.ts'
import { BOOTSTRAP_STACK, LINKED_ROLES } from '../../bootstrap/names.ts'
import type { Settings } from '../../bootstrap/settings.ts'
import { TRUST_SERVERS } from '../../policy.ts'
import { describeStack } from '../../release/follow.ts'
import { STAGES } from '../../stages.ts'
import { target, type Visit } from './visit.ts'

const { region, zones } = STAGES.dev
export const DEV_STACK = 'terrace-dev'

export const settingsIn = (account: string): Settings => ({
  account,
  region,
  zones,
  alertEmail: 'terrace-operators@example.com',
  budget: 1_000,
  ci: undefined,
})

/**
 * Makes sure that a test can make stage dev, and take it down afterwards, without taking anybody's.
 * @throws Error where there is one already, and for an account that its owner has not prepared
 */
export async function prepareStage(here: Visit): Promise<void> {
  if ((await describeStack(here.aws, DEV_STACK)) !== undefined)
    throw new Error(
      `Account ${here.account} has a stage dev already, which this test would change and then remove. Take another account, or remove it yourself.`,
    )
  if (target.kind !== 'account') await prepareAccount(here)
  else if ((await describeStack(here.aws, BOOTSTRAP_STACK)) === undefined)
    throw new Error(
      `Account ${here.account} has no bootstrap: npm run bootstrap, with your address and budget.`,
    )
}

/** @returns what it did, and what it said */
export async function prepareAccount({
  aws,
  account,
}: Visit): Promise<{ outcome: Outcome; lines: string[] }> {
  // It would make them under names that AWS does not give them (HOLLOW), and then not find them.
  if (target.kind === 'ministack') for (const { name } of LINKED_ROLES) await makeRole(aws, name)
  const lines: string[] = []
  const person = { say: (line: string) => lines.push(line), agrees: async () => true }
  return { outcome: await bringBootstrap(aws, settingsIn(account), person), lines }
}

async function makeRole(aws: Aws, name: string): Promise<void> {
  const AssumeRolePolicyDocument = JSON.stringify(TRUST_SERVERS)
  await aws.iam
    .send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument }))
    .catch((error: Error) => {
      if (error.name !== 'EntityAlreadyExistsException') throw error
    })
}
