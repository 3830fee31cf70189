// The stack against programs that are not ours: AWS's linters and Control Tower's rules (`npm run lint:aws`, lint/), and
// emulators or a real account (`npm run test:aws`, account/). They are Python's, each package pinned by its hash, and
// are fetched into `.native/` the first time, through whatever mirror pip and npm are set up with.
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import path from 'node:path'
import { NATIVE, run, setupLock } from '../../local/install.mjs'
import { explain, Problem } from '../../local/problem.ts'
import { fingerprint, readStamp, writeStamp } from '../../local/stamps.ts'

const HERE = import.meta.dirname
const PYTHON = path.join(NATIVE, 'aws-python')
const GUARD = path.join(NATIVE, 'aws-guard')
const RULES = path.join(GUARD, 'node_modules/@cdklabs/cdk-validator-cfnguard/rules/control-tower/cfn-guard')

/** What this machine has to have already is not here. */
class Missing extends Problem {}

/** The path of one of the tools' programs: `cfn-lint`, `ministack`, `moto_server`, or the `python` that has them. */
export const program = (name: string): string => path.join(PYTHON, 'bin', name)

/**
 * Fetches the tools, unless the very same are there.
 * @throws Problem when that fails; Missing when there is no Python, which ends `conclude` without a failure
 */
export async function preparePython(report: (line: string) => void): Promise<void> {
  const key = fingerprint(['infra/conformance/python'], [process.platform, process.arch])
  await once('aws-python', key, program('python'), async () => {
    await checkPython()
    report('Python’s tools for AWS, about 270 MB')
    rmSync(PYTHON, { recursive: true, force: true })
    const made = await run(['python3', '-m', 'venv', PYTHON], { cwd: NATIVE })
    if (made.code !== 0)
      throw new Missing(
        `Python can’t make an environment here: ${lastLine(made.text)}`,
        'On Debian and Ubuntu, type: sudo apt-get install -y python3-venv',
      )
    const pip = [program('python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    const pinned = (file: string) => ['--require-hashes', '-r', path.join(HERE, 'python', file)]
    const tools = pinned('tools.txt')
    // uv takes 4 seconds where pip takes 40, but does not read pip's settings: a mirror may be in those only.
    const uv = [program('uv'), 'pip', 'install', '--quiet', '--python', program('python'), ...tools]
    const quick = await run([...pip, ...pinned('uv.txt')], { cwd: NATIVE })
    if (quick.code === 0 && (await run(uv, { cwd: NATIVE })).code === 0) return
    const { code, text } = await run([...pip, ...tools], { cwd: NATIVE })
    if (code !== 0)
      throw new Problem(
        `pip could not install what infra/conformance/python/tools.txt names: ${lastLine(text)}`,
        'See which index pip uses (pip config list), and start again.',
      )
  })
}

/** @returns the folder of AWS Control Tower's rules @throws Problem when they can't be fetched */
export async function prepareGuardRules(report: (line: string) => void): Promise<string> {
  await once('aws-guard', fingerprint(['infra/conformance/guard']), RULES, async () => {
    report('AWS Control Tower’s rules through npm')
    rmSync(GUARD, { recursive: true, force: true })
    mkdirSync(GUARD)
    for (const file of ['package.json', 'package-lock.json'])
      await copyFile(path.join(HERE, 'guard', file), path.join(GUARD, file))
    // Without its peer, the CDK: of this package nothing is run.
    const npm = ['npm', 'ci', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund']
    // npm hands its own settings on as variables; the ones of the outer npm name the outer project.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/.test(name)))
    const { code, text } = await run([...npm, '--loglevel=error'], { cwd: GUARD, env })
    if (code !== 0)
      throw new Problem(
        `npm could not fetch AWS Control Tower’s rules: ${lastLine(text)}`,
        `Start again; what it says in full: cd ${GUARD} && npm ci --legacy-peer-deps --ignore-scripts`,
      )
  })
  return RULES
}

/**
 * Ends a command of this folder with the code that `work` gives: a sentence for what a person has to settle. Without Python
 * it ends well and says that nothing was checked, but not on CI, where that would go unnoticed.
 */
export async function conclude(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work()
  } catch (error) {
    if (error instanceof Missing) console.log(`skipped: ${error.message}\n${error.wayOut}`)
    else console.error(explain(error))
    process.exitCode = error instanceof Missing && process.env.CI !== 'true' ? 0 : 1
  }
}

async function once(name: string, key: string, result: string, make: () => Promise<void>): Promise<void> {
  const release = await setupLock()
  try {
    if (existsSync(result) && readStamp(name) === key) return
    writeStamp(name, '')
    await make()
    writeStamp(name, key)
  } finally {
    release()
  }
}

async function checkPython(): Promise<void> {
  const wayOut = 'On Debian and Ubuntu, type: sudo apt-get install -y python3 python3-venv'
  const asked = await run(['python3', '-c', 'import sys; print(sys.version_info >= (3, 10))'], {
    cwd: NATIVE,
  }).catch(() => undefined)
  if (asked === undefined) throw new Missing('There is no python3 here.', wayOut)
  if (asked.text.trim() !== 'True') throw new Missing('python3 is older than 3.10 here.', wayOut)
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''
