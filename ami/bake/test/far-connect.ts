// `node --import far-connect.ts?account=ADDRESS ami/bake/command.ts …`: the command as it is, but for the account that it connects to,
// which is a stand-in over HTTP (far-account.ts). Nothing of what ships knows of it.
import { registerHooks } from 'node:module'

const ACCOUNT = new URL(`./far-account.ts${new URL(import.meta.url).search}`, import.meta.url).href
const CONNECT = new URL('../../../aws/connect.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    return found.url === CONNECT && context.parentURL !== ACCOUNT ? { ...found, url: ACCOUNT } : found
  },
})
