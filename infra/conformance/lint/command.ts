// `npm run lint:aws`: every template through cfn-lint, AWS's own validator and AWS Control Tower's rules. What they find is
// mended or waived with a reason (waivers.ts).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { run } from '../../../local/install.mjs'
import { STAGES } from '../../stages.ts'
import { conclude, prepareGuardRules, preparePython, program } from '../conformance.ts'
import { type Finding, remaining } from './findings.ts'
import { templates } from './templates.ts'
import { WAIVERS } from './waivers.ts'

const REGION = STAGES.prod.region
const say = (line: string) => console.log(line)

const findingSchema = z.object({
  tool: z.enum(['guard', 'validate']),
  rule: z.string(),
  on: z.string(),
  file: z.string(),
  message: z.string(),
})
const cfnLintSchema = z.object({
  Rule: z.object({ Id: z.string() }),
  Filename: z.string(),
  Message: z.string(),
  Location: z.object({ Path: z.array(z.union([z.string(), z.number()])).nullable() }),
})

await conclude(async () => {
  await preparePython(say)
  const rules = await prepareGuardRules(say)
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-lint-'))
  try {
    const files = new Map<string, string>()
    for (const [name, template] of templates()) {
      const file = path.join(folder, `${name.replaceAll(' ', '-')}.json`)
      writeFileSync(file, JSON.stringify(template, null, 1))
      files.set(file, name)
    }
    const [linted, validated] = await Promise.all([
      timed('cfn-lint', () => cfnLint(folder, files)),
      timed('cloudformation-validate with Control Tower’s rules', () => validate(folder, files, rules)),
    ])
    const findings = [...linted, ...validated]
    const lines = remaining(findings, WAIVERS)
    for (const line of lines) console.error(line)
    say(
      lines.length > 0
        ? `${lines.length} to mend, or to waive with a reason in infra/conformance/lint/waivers.ts`
        : `${files.size} templates: nothing but what ${WAIVERS.length} waivers give reasons for`,
    )
    return lines.length > 0 ? 1 : 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

async function timed<T>(title: string, work: () => Promise<T>): Promise<T> {
  const start = Date.now()
  const result = await work()
  say(`${title}: ${((Date.now() - start) / 1000).toFixed(1)} s`)
  return result
}

/** Errors, warnings, and of what it only mentions the policies that data resources lack (I3011). */
async function cfnLint(folder: string, files: ReadonlyMap<string, string>): Promise<Finding[]> {
  const out = path.join(folder, 'cfn-lint.out')
  const options = ['--regions', REGION, '--include-checks', 'I3011', '--format', 'json', '--output-file', out]
  const { code, text } = await run([program('cfn-lint'), ...options, '--', ...files.keys()])
  // A sum of what it found: 2 errors, 4 warnings, 8 informational. 1 and 32 and up: it could not do its work.
  if ((code & 1) !== 0 || code > 15) throw new Error(`cfn-lint ended with ${code}:\n${text}`)
  return z
    .array(cfnLintSchema)
    .parse(JSON.parse(readFileSync(out, 'utf8')))
    .map(({ Rule, Filename, Message, Location }) => {
      const [section, id] = Location.Path ?? []
      const on = section === 'Resources' && typeof id === 'string' ? id : ''
      return { tool: 'cfn-lint', rule: Rule.Id, on, template: named(files, Filename), message: Message }
    })
}

async function validate(
  folder: string,
  files: ReadonlyMap<string, string>,
  rules: string,
): Promise<Finding[]> {
  const out = path.join(folder, 'validate.out')
  const script = path.join(import.meta.dirname, 'validate.py')
  const { code, text } = await run([program('python'), script, rules, out, REGION, ...files.keys()])
  if (code !== 0) throw new Error(`validate.py ended with ${code}:\n${text}`)
  return z
    .array(findingSchema)
    .parse(JSON.parse(readFileSync(out, 'utf8')))
    .map(({ file, ...finding }) => ({ ...finding, template: named(files, file) }))
}

function named(files: ReadonlyMap<string, string>, file: string): string {
  const name = files.get(file)
  if (name === undefined) throw new Error(`nobody asked about ${file}`)
  return name
}
