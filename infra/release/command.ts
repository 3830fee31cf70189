// `npm run apply -- --stage staging [--param images=candidate] [--param fleet=none] [--allow-replace LOGICAL_ID] [--yes]`
// Exit code 2: something that holds data would be replaced, removed or laid open; nothing was changed.
// 130, 143: ended by a signal.
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { connect } from '../../aws/connect.ts'
import { apply } from './apply.ts'
import { untilSignalled } from './interrupt.ts'

const print = (text: string) => process.stdout.write(text)
const signal = untilSignalled((line) => print(`\n${line}\n`))

const ask = async (question: string): Promise<string> => {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  // A terminal that is asked at sends no signal by itself.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  // Ctrl-D: an answer that says nothing.
  const ended = once(terminal, 'close').then(() => '')
  try {
    return await Promise.race([terminal.question(question, { signal }), ended])
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    terminal.close()
  }
}

process.exitCode = await apply(process.argv.slice(2), {
  connect,
  ask: process.stdin.isTTY ? ask : undefined,
  print,
  signal,
})
