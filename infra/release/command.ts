// `npm run apply -- --stage staging [--param images=candidate] [--param fleet=none] [--allow-replace LOGICAL_ID] [--yes]`
// Exit code 2: something that holds data would be replaced, removed or laid open; nothing was changed.
import { createInterface } from 'node:readline/promises'
import { connect } from '../../aws/connect.ts'
import { apply } from './apply.ts'

const ask = async (question: string): Promise<string> => {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return await terminal.question(question)
  } finally {
    terminal.close()
  }
}

process.exitCode = await apply(process.argv.slice(2), {
  connect,
  ask: process.stdin.isTTY ? ask : undefined,
  print: (text) => process.stdout.write(text),
})
