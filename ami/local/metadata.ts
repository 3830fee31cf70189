// An instance's metadata at their real address, in a container's own network.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { run } from './host.ts'
import type { Network } from './network.ts'

export const STUB = path.resolve(import.meta.dirname, '../boot/imds-stub.ts')
const ADDRESS = '169.254.169.254'

/**
 * @param file what they say (ami/boot/imds-stub.ts); read anew whenever they are asked
 * @throws Error with what the stub has said when it does not listen
 */
export async function serveMetadata(network: Network, file: string): Promise<AsyncDisposable> {
  await run`ip -n ${network.name} address add ${ADDRESS}/32 dev lo`
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', network.name],
      ...[process.execPath, STUB, file, ADDRESS, '80'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const end = async () => {
    child.kill('SIGKILL')
    await ended
  }
  let said = ''
  const listens = await new Promise<boolean>((resolve) => {
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString()
    })
    child.stdout.once('data', () => resolve(true))
    child.once('close', () => resolve(false)).once('error', () => resolve(false))
  })
  if (!listens) throw new Error(`no metadata in ${network.name}: ${said.trim()}`)
  return { [Symbol.asyncDispose]: end }
}
