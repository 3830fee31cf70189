// The self-check as a program of its own, in the boot test of an image: `process.ts MODEL_DIR RESULT`. Ends with 0 once the
// result is written, whatever it is: what ends the program before that, native code for example, its unit says.
import { chmod, rename, writeFile } from 'node:fs/promises'
import { createLog } from '../log.ts'
import { selfCheck } from './self-check.ts'

/** sysexits.h, EX_USAGE. */
const USAGE = 64

const [modelDir, result] = process.argv.slice(2)
if (modelDir === undefined || result === undefined) {
  process.stderr.write('Where are the weights, and where does the result go?\n')
  process.exit(USAGE)
}
const log = createLog({ logLevel: 'info', release: 'self-check' }, 'self-check')
const findings = await selfCheck({ modelDir, log })
log.info({ findings }, 'self-check')
// Whole, or not at all; whoever says it on the console is another user.
await writeFile(`${result}.new`, JSON.stringify({ findings }))
await chmod(`${result}.new`, 0o644)
await rename(`${result}.new`, result)
// Threads of native code must not keep the process.
process.exit()
