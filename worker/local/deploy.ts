// `npm run worker:deploy`: bundles the Worker, says how large it is, and has wrangler deploy it (which wants a sign-in, or
// CLOUDFLARE_API_TOKEN). What was set before and is not said again stays.
//   --audience URL        the endpoint's own address, which tokens must be made for
//   --origins URL,URL     pages that may use it
//   --dry-run             only bundles
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { endpointAudience } from '../../contract/model-endpoint.ts'
import { Problem } from '../../local/problem.ts'
import { command, options } from './commands.ts'
import { bundleWorker, wrangler } from './wrangler.ts'

await command(async () => {
  const { audience, origins, 'dry-run': dryRun } = options(['audience', 'origins'], ['dry-run'])
  const variables = [
    ...(audience === undefined ? [] : [`AUDIENCE:${address('audience', audience)}`]),
    ...(origins === undefined ? [] : [`ALLOWED_ORIGINS:${originList(origins)}`]),
  ]
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-worker-'))
  try {
    const { bytes } = await bundleWorker(folder)
    console.log(`The Worker is ${(bytes / 1_000).toFixed(0)} kB.`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  if (dryRun === true) return
  const { code } = await wrangler(['deploy', ...variables.flatMap((variable) => ['--var', variable])], {
    show: true,
  })
  if (code !== 0) throw new Problem('The Worker was not deployed.', 'What runs there is what ran before.')
})

function address(name: string, text: string): string {
  if (URL.canParse(text) && new URL(text).protocol === 'https:') return endpointAudience(text)
  throw new Problem(`--${name} ${text} is no https address.`, 'It begins with https://')
}

function originList(text: string): string {
  return text
    .split(',')
    .map((origin) => new URL(address('origins', origin.trim())).origin)
    .join(',')
}
