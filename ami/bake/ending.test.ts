// A process of its own is ended, with a program that it runs.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const PROGRAM = `
import { spawn } from 'node:child_process'
import { endable } from ${JSON.stringify(path.join(import.meta.dirname, 'ending.ts'))}
const ending = endable((line) => console.log(line))
// The shell ends by itself when what it runs does.
const child = spawn('sh', ['-c', 'sleep 60; exit 3'], { stdio: 'ignore' })
const code = await new Promise((resolve) => { child.on('exit', (code, signal) => resolve(signal ?? code)); console.log('runs') })
console.log('ended', code, ending.signal.aborted)
ending.done()
`

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s, and one more, ends what runs and lets the rest clean up',
  async (signal) => {
    const bake = spawn(process.execPath, ['--input-type=module-typescript', '--eval', PROGRAM])
    onTestFinished(() => void bake.kill('SIGKILL'))
    let said = ''
    const isThere = Promise.withResolvers<void>()
    bake.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('runs')) isThere.resolve()
    })
    const code = new Promise((resolve) => bake.on('close', resolve))
    await isThere.promise
    bake.kill(signal)
    // Of another kind: two of one may come as one.
    bake.kill('SIGHUP')
    expect(await code).toBe(0)
    expect(said).toMatch(/Ending:[\s\S]*ended (?:SIGTERM|3|143) true/)
    expect(said.match(/Ending:/g)).toHaveLength(1)
  },
)
