// What a test of this folder does in the account it runs against: `const { aws, account } = await visit()`.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { CreateChangeSetCommand } from '@aws-sdk/client-cloudformation'
import { inject } from 'vitest'
import { connect } from '../../../aws/connect.ts'
import { type Aws, callerIn, whoAmI } from '../../../aws/port.ts'
import { ROOT } from '../../../local/install.mjs'
import { STAGES } from '../../stages.ts'
import { resetMinistack } from './ministack.ts'
import { isRefused, without } from './ministack-limits.ts'
import { sampleImagesIn } from './table.ts'
import type { Target } from './target.ts'

export const target: Target = inject('target')
const { region } = STAGES.dev
/** What a scenario may take before something hangs: an account makes a database for a quarter of an hour. */
export const SCENARIO_MS = target.kind === 'account' ? 3 * 3_600_000 : 180_000

export interface Visit extends Disposable {
  readonly aws: Aws
  /** The same, with every template as it is given: what the emulator refuses is refused. */
  readonly bare: Aws
  readonly account: string
  /** A call of `serverless` for stage dev; its code and all that it wrote. */
  serverless(...args: string[]): Promise<{ code: number; output: string }>
  /** Where `serverless package` has put the template. */
  readonly packaged: string
}

/** The emulator is empty then; an account is as it was. */
export async function visit(): Promise<Visit> {
  if (target.kind === 'ministack' && target.endpoint !== undefined) await resetMinistack(target.endpoint)
  // The SDK reads it when it makes a client.
  Object.assign(process.env, target.env)
  const bare = inHaste(connect({ region }))
  const aws = target.kind === 'ministack' ? withoutRefused(bare) : bare
  const { account } =
    target.account === undefined ? await whoAmI(aws) : await callerIn(aws, target.account, 'the test')
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-account-'))
  const images = path.join(folder, 'images')
  mkdirSync(images)
  for (const choice of ['live', 'candidate'])
    writeFileSync(path.join(images, `dev-${choice}.json`), JSON.stringify(sampleImagesIn(account)))
  const packaged = path.join(folder, 'package')
  const params = ['--stage', 'dev', '--param', `account=${account}`, '--param', `images-folder=${images}`]
  if (target.kind === 'ministack') params.push('--param', 'refused=out')
  // No server could start from an image that nobody has baked.
  if (target.kind === 'account') params.push('--param', 'fleet=none')
  return {
    aws,
    bare,
    account,
    packaged,
    serverless: (...args) => serverless(folder, [...args, ...params]),
    [Symbol.dispose]: () => {
      // Beside its configuration, serverless leaves what it has last deployed.
      for (const one of [folder, path.join(import.meta.dirname, '.serverless')])
        rmSync(one, { recursive: true, force: true })
    },
  }
}

/** Another emulator than the run's, whose address is taken for whatever is asked from now on. */
export function visitElsewhere(endpoint: string): Aws {
  Object.assign(process.env, target.env, { AWS_ENDPOINT_URL: endpoint })
  return inHaste(connect({ region }))
}

/** An emulator has done in a moment what AWS takes minutes for: it is asked again soon. */
const inHaste = (aws: Aws): Aws =>
  target.kind === 'account'
    ? aws
    : { ...aws, clock: { ...aws.clock, sleep: (ms, signal) => aws.clock.sleep(Math.min(ms, 100), signal) } }

/** The same, except that a template that goes with a call goes without what the emulator refuses. */
function withoutRefused(aws: Aws): Aws {
  const { cloudformation } = aws
  const send = (command: Parameters<typeof cloudformation.send>[0]) => {
    const body = command instanceof CreateChangeSetCommand ? command.input.TemplateBody : undefined
    if (body !== undefined && command instanceof CreateChangeSetCommand)
      command.input.TemplateBody = JSON.stringify(without(JSON.parse(body), isRefused))
    return cloudformation.send(command)
  }
  return { ...aws, cloudformation: { send: send as typeof cloudformation.send } }
}

async function serverless(home: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const program = path.join(ROOT, 'node_modules/serverless/bin/serverless.js')
  const own = Object.entries(process.env).filter(([name]) => /^(PATH$|TERRACE_TEST_RUN$|AWS_)/.test(name))
  const env = {
    ...Object.fromEntries(own),
    // Where the credentials of a real account are.
    HOME: target.kind === 'account' ? process.env.HOME : home,
    // Files of the framework's own, which it looks for beside its configuration.
    CI: 'true',
  }
  const options = { cwd: import.meta.dirname, env, maxBuffer: 16 * 1024 * 1024 }
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, ...args], options)
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, output: stdout + stderr }
  }
}
