// `npm run worker:dev`: the endpoint on this machine, in the real runtime, with another model behind it.
//   --model-url URL --model NAME   any OpenAI-compatible server; its key, if it wants one, in MODEL_API_KEY
//   --scripted                     no model: made-up text, and its answers say so
//   --port N (8787)  --origins URL,URL (where Terrace runs here)  --folder PATH (of the keys)
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Problem } from '../../local/problem.ts'
import { readSettings } from '../../local/settings.ts'
import { command, keyFolder, options } from './commands.ts'
import { answerFrom } from './forward.ts'
import { type Keys, makeKeys, readKeys, writeKeys } from './key-pairs.ts'
import { answerScripted } from './scripted.ts'
import { signScriptToken } from './signing.ts'
import { startWorkerd } from './workerd.ts'
import { type Answerer, startWorkersAi } from './workers-ai.ts'
import { bundleWorker, readConfiguration } from './wrangler.ts'

await command(async () => {
  const given = options(['model-url', 'model', 'port', 'origins', 'folder'], ['scripted'])
  const { answer, model } = chosenModel(given['model-url'], given.model, given.scripted === true)
  const port = Number(given.port ?? 8787)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Problem(`--port ${given.port} is not a port.`, 'A number from 1 to 65535.')
  const folder = keyFolder(given.folder)
  const keys = await keysOf(folder)
  const { publicUrl } = readSettings(process.env)
  const configuration = await readConfiguration()
  const built = mkdtempSync(path.join(tmpdir(), 'terrace-worker-'))
  try {
    const { file } = await bundleWorker(built)
    await using ai = await startWorkersAi(answer)
    const audience = `http://127.0.0.1:${port}`
    await using worker = await startWorkerd({
      configuration,
      bundle: file,
      bindings: {
        AUDIENCE: audience,
        ALLOWED_ORIGINS: given.origins ?? publicUrl,
        TOKEN_KEYS: keys.TOKEN_KEYS,
        RECEIPT_KEY: keys.RECEIPT_KEY,
        MODELS: { 'llama-3-8b': [model] },
      },
      aiPort: ai.port,
      storage: path.join(folder, 'ledger'),
      port,
      log: (text) => process.stderr.write(text),
    })
    const { token } = await signScriptToken(
      { key: keys.LLAMMA_SIGNING_KEY, audience, issuer: publicUrl },
      { name: 'worker:dev', days: 1 },
    )
    console.log(`The endpoint is ${worker.url}; ${model} answers as llama-3-8b. Ctrl-C ends it.
For Terrace's API: LLAMMA_ENDPOINT=${worker.url}, and LLAMMA_SIGNING_KEY and LLAMMA_RECEIPT_KEYS from ${folder}

curl ${worker.url} -H 'Authorization: Bearer ${token}' \\
  -d '{"prompt": "What is a terrace?"}'`)
    const stop = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
    })
    await Promise.race([stop, worker.exited])
  } finally {
    rmSync(built, { recursive: true, force: true })
  }
})

function chosenModel(
  url: string | undefined,
  model: string | undefined,
  scripted: boolean,
): { answer: Answerer; model: string } {
  if (scripted && url === undefined) return { answer: answerScripted, model: model ?? 'scripted' }
  if (scripted || url === undefined || model === undefined || !URL.canParse(url))
    throw new Problem(
      'Which model answers?',
      'Say --model-url URL --model NAME (Ollama: --model-url http://127.0.0.1:11434/v1 --model llama3.1), or --scripted.',
    )
  return { answer: answerFrom({ url, apiKey: process.env.MODEL_API_KEY || undefined }), model }
}

async function keysOf(folder: string): Promise<Keys> {
  const found = readKeys(folder)
  if (found !== null) return found
  const keys = await makeKeys()
  writeKeys(folder, keys)
  return keys
}
