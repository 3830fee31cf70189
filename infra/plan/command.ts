// `npm run plan -- --stage prod [--param images=candidate] [--param fleet=none] [--against TEMPLATE.json]`
// Exit code 2: something that holds data would be replaced, removed or laid open.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Template } from '../cfn.ts'
import { UnusableImages } from '../images.ts'
import { asked } from '../service.ts'
import { InvalidStage } from '../stages.ts'
import { compare } from './changes.ts'
import { report } from './report.ts'

const templateSchema = z.looseObject({
  Resources: z.record(
    z.string(),
    z.looseObject({ Type: z.string(), Properties: z.looseObject({}).default({}) }),
  ),
})

/** @throws InvalidStage for a file that is no template in JSON */
function readTemplate(file: string): Template {
  try {
    return {
      Description: '',
      Outputs: {},
      ...templateSchema.parse(JSON.parse(readFileSync(file, 'utf8'))),
    } as Template
  } catch (cause) {
    throw new InvalidStage(`${file} is not a template in JSON.`, { cause })
  }
}

try {
  const { line, stage, template } = asked(process.argv.slice(2))
  const changes = line.against === undefined ? undefined : compare(readTemplate(line.against), template)
  process.stdout.write(report(line.stage, stage, template, changes))
  process.exitCode = changes?.some(({ blocked }) => blocked !== undefined) ? 2 : 0
} catch (error) {
  if (!(error instanceof InvalidStage || error instanceof UnusableImages)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
