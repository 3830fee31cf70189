// `npm run worker:keys`: the key pairs of the API and its model endpoint.
//   --folder PATH  where they go, readable by their owner only (default: model-endpoint/ in Terrace's data folder)
//   --stdout       prints them instead, as NAME=JSON lines, and writes nothing
//   --rotate       new pairs, with the public keys of those before beside them
import { Problem } from '../../local/problem.ts'
import { command, keyFolder, options } from './commands.ts'
import { KEY_NAMES, type Keys, makeKeys, readKeys, writeKeys } from './key-pairs.ts'

const PLACES = `What goes where:
  LLAMMA_SIGNING_KEY   the API     secret   signs tokens
  LLAMMA_RECEIPT_KEYS  the API     public   checks receipts
  TOKEN_KEYS           the Worker  public   checks tokens    npx wrangler secret put TOKEN_KEYS -c worker/wrangler.jsonc
  RECEIPT_KEY          the Worker  secret   signs receipts   npx wrangler secret put RECEIPT_KEY -c worker/wrangler.jsonc`

const ORDER = `In this order, so that nothing is refused meanwhile:
  1. TOKEN_KEYS at the Worker and LLAMMA_RECEIPT_KEYS at the API: each side then knows the old and the new key.
  2. LLAMMA_SIGNING_KEY at the API and RECEIPT_KEY at the Worker: each side then signs with its new key.
Tokens of scripts that the old key has signed are valid until the next rotation: make new ones before it.`

await command(async () => {
  const { folder: given, stdout, rotate } = options(['folder'], ['stdout', 'rotate'])
  const folder = keyFolder(given)
  const before = readKeys(folder)
  if (rotate === true && before === null)
    throw new Problem(`${folder} has no keys to rotate.`, 'Make the first ones without --rotate.')
  if (rotate !== true && before !== null && stdout !== true)
    throw new Problem(
      `${folder} has keys already. They were left as they are.`,
      'npm run worker:keys -- --rotate makes new ones beside them; --folder PATH those of another installation.',
    )
  const keys = await makeKeys(rotate === true ? (before ?? undefined) : undefined)
  if (stdout === true) print(keys)
  else writeKeys(folder, keys)
  // On stderr: what is on stdout may go straight into a store of secrets.
  if (stdout !== true) console.error(`Written to ${folder}, one file each, readable by you only.\n`)
  console.error(PLACES)
  if (rotate === true) console.error(`\n${ORDER}`)
})

function print(keys: Keys): void {
  for (const name of KEY_NAMES) console.log(`${name}=${JSON.stringify(keys[name])}`)
}
