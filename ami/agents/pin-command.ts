// `npm run agents:pin [-- --only cloudwatch|ssm] [--cloudwatch-fingerprint HEX] [--ssm-key FILE --ssm-fingerprint HEX]`
// Writes ami/agents/pins.json: which packages of Amazon's agents go into images. Exit code 1: said in words, nothing
// was written for that agent.
import { parseArgs } from 'node:util'
import { explain, Problem } from '../../local/problem.ts'
import { AGENT_NAMES, AGENTS, type AgentName, type Pins } from './agents.ts'
import { pinAgent, writePins } from './pin.ts'
import { PINS_FILE, readPins } from './pins.ts'

const OPTIONS = {
  only: { type: 'string' },
  'cloudwatch-key': { type: 'string' },
  'cloudwatch-fingerprint': { type: 'string' },
  'ssm-key': { type: 'string' },
  'ssm-fingerprint': { type: 'string' },
} as const

try {
  const { values } = parseArgs({ options: OPTIONS })
  const wanted = AGENT_NAMES.filter((name) => values.only === undefined || values.only === name)
  if (wanted.length === 0) throw new Problem(`--only ${values.only}: there is cloudwatch and ssm.`, '')
  let pins: Pins = readPins()
  for (const name of wanted) {
    const fingerprint = readFingerprint(name, values[`${name}-fingerprint`] ?? AGENTS[name].fingerprint)
    const pin = await pinAgent(AGENTS[name], { keyFile: values[`${name}-key`], fingerprint })
    pins = { ...pins, [name]: pin }
    writePins(PINS_FILE, pins)
    process.stdout.write(`${AGENTS[name].package} ${pin.version}: ${pin.sha256}, signed by ${pin.signedBy}\n`)
  }
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  process.exitCode = 1
}

function readFingerprint(name: AgentName, text: string | undefined): string {
  const fingerprint = text?.replaceAll(' ', '').toUpperCase()
  if (fingerprint !== undefined && /^[0-9A-F]{40}$/.test(fingerprint)) return fingerprint
  throw new Problem(
    `--${name}-fingerprint ${text ?? ''} is no fingerprint: 40 hex digits.`,
    `Take it from ${AGENTS[name].page}`,
  )
}
