// Which agents exactly an image gets: a file of the checkout, which `npm run agents:pin` writes on a machine that
// reaches Amazon. Without it images can be made and tested, and not uploaded: what was tested is what ships.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseJson } from '../../infra/images.ts'
import { Problem } from '../../local/problem.ts'
import { AGENT_NAMES, AGENTS, isFrom, type Pins, pinsSchema } from './agents.ts'

export const PINS_FILE = path.join(import.meta.dirname, 'pins.json')

/** @throws Problem when it is no such file, or a version is too old for an image */
export function readPins(file = PINS_FILE): Pins {
  const parsed = pinsSchema.safeParse(parseJson(readFileSync(file, 'utf8')))
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'} ${issue.message}`)
    throw new Problem(
      `${file} does not say which agents an image gets: ${wrong.join('; ')}.`,
      'npm run agents:pin writes it anew.',
    )
  }
  for (const name of AGENT_NAMES) {
    const version = parsed.data[name]?.version
    if (version !== undefined && !isFrom(version, AGENTS[name].from))
      throw new Problem(
        `${file} has ${AGENTS[name].package} ${version}, and an image needs ${AGENTS[name].from} or later.`,
        'npm run agents:pin takes the newest.',
      )
  }
  return parsed.data
}

/** @throws Problem when an image of these pins may be tested only */
export function requireAgents(pins: Pins): void {
  const missing = AGENT_NAMES.filter((name) => pins[name] === undefined)
  if (missing.length === 0) return
  throw new Problem(
    `ami/agents/pins.json names no ${missing.map((name) => AGENTS[name].package).join(' and no ')}. An image without its agents ` +
      'is for tests, and is not uploaded: its servers would be silent.',
    'npm run agents:pin, on a machine that reaches Amazon, writes them down; commit that file and bake again. --no-upload bakes without them.',
  )
}
