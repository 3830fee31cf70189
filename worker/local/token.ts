// `npm run worker:token -- --name NAME --endpoint URL`: a token for a script; it is all that stdout gets.
//   --days N  --max-tokens N  --issuer URL  --folder PATH (of the keys)
// `npm run worker:token -- --revoke ID --endpoint URL`: takes it back, at once and for good.

import { ENDPOINT_PATHS, endpointAudience, TOKEN_SECONDS } from '../../contract/model-endpoint.ts'
import { Problem } from '../../local/problem.ts'
import { readSettings } from '../../local/settings.ts'
import { command, keyFolder, options, signingKey } from './commands.ts'
import { signRevocation, signScriptToken } from './signing.ts'

await command(async () => {
  const {
    name,
    revoke,
    endpoint = process.env.LLAMMA_ENDPOINT,
    ...given
  } = options(['name', 'revoke', 'endpoint', 'days', 'max-tokens', 'issuer', 'folder'])
  if (endpoint === undefined || !URL.canParse(endpoint))
    throw new Problem('For which endpoint?', 'Say --endpoint URL, or set LLAMMA_ENDPOINT.')
  const signer = {
    key: signingKey(keyFolder(given.folder)),
    audience: endpoint,
    issuer: given.issuer ?? readSettings(process.env).publicUrl,
  }
  if (revoke !== undefined) {
    await takeBack(endpoint, revoke, (await signRevocation(signer, revoke)).token)
    return console.error(`${revoke} is refused from now on.`)
  }
  if (name === undefined) throw new Problem('What is the token for?', 'Say --name NAME.')
  const days = count('days', given.days, TOKEN_SECONDS.scriptMax / 86_400)
  const maxTokens = count('max-tokens', given['max-tokens'])
  const { token, id, expires } = await signScriptToken(signer, { name, days, maxTokens })
  console.log(token)
  console.error(`For ${name}, until ${expires.toISOString().slice(0, 10)}. It is not kept anywhere.
To take it back: npm run worker:token -- --revoke ${id} --endpoint ${endpoint}`)
})

function count(name: string, text: string | undefined, most = Number.MAX_SAFE_INTEGER): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number > 0 && number <= most) return number
  throw new Problem(`--${name} ${text} is not possible.`, `A whole number from 1 to ${most}.`)
}

async function takeBack(endpoint: string, id: string, token: string): Promise<void> {
  const wayOut = `Nothing was taken back: ${id} is still valid. Try again.`
  const reply = await fetch(endpointAudience(endpoint) + ENDPOINT_PATHS.revocations, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  }).catch((cause: unknown) => {
    throw new Problem(`${endpoint} can not be reached.`, wayOut, { cause })
  })
  if (!reply.ok) throw new Problem(`${endpoint} answered ${reply.status}: ${await reply.text()}`, wayOut)
}
