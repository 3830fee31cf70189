// `npm run apply -- --stage staging [--param images=candidate] [--param fleet=none] [--allow-replace LOGICAL_ID] [--yes]`
// Exit code 2: something that holds data would be replaced, removed or laid open; nothing was changed.
// 130, 143: ended by a signal.
import { connect } from '../../aws/connect.ts'
import { answerAt, TERMINAL } from '../terminal.ts'
import { apply } from './apply.ts'
import { untilSignalled } from './interrupt.ts'

const print = (text: string) => process.stdout.write(text)
const signal = untilSignalled((line) => print(`\n${line}\n`))

process.exitCode = await apply(process.argv.slice(2), {
  connect,
  ask: process.stdin.isTTY ? (question) => answerAt(TERMINAL, question, signal) : undefined,
  print,
  complain: (text) => process.stderr.write(text),
  signal,
})
