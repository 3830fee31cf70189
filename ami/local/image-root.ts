// The finished root of a tier, made of kept parts and kept itself under the hash of all of them.
import { createHash } from 'node:crypto'
import path from 'node:path'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import { generateClient } from '../../local/generate.ts'
import { fingerprint } from '../../local/stamps.ts'
import { fetchAgents } from '../agents/install.ts'
import { readPins } from '../agents/pins.ts'
import { packagesOf, type Tier } from '../recipe/debian.ts'
import { SOURCES_OF, WORKSPACES } from '../recipe/payload.ts'
import { provision } from '../recipe/provision.ts'
import { IMAGES, needTools, run } from './host.ts'
import { type Kept, kept } from './kept.ts'
import type { LockedPackage } from './package-lock.ts'
import { faissAddon, productionModules, webBuild, weights } from './parts.ts'
import { debianRoot } from './rootfs.ts'

export interface ImageRoot extends Kept {
  readonly packages: readonly LockedPackage[]
  /** SHA-256 over everything that it was made from, in hex. */
  readonly inputs: string
}

export interface RootOptions {
  readonly release: string
  /** ISO 8601, UTC. */
  readonly madeAt: string
  /** Web only: static files of another build that this image carries too, and their SHA-256 in hex. Default: none. */
  readonly previous?: { readonly sha256: string; readonly dir: string } | undefined
  readonly report?: (line: string) => void
}

/** @throws Problem when the machine, the mirror or npm's registry has not what it takes */
export async function imageRoot(tier: Tier, options: RootOptions): Promise<ImageRoot> {
  const report = options.report ?? (() => {})
  await needTools('systemd-container')
  report('Debian')
  const debian = await debianRoot(packagesOf(tier))
  report('packages of npm')
  // One installation for both tiers: what the pages' server runs at boot is a part of what the API runs.
  const modules = await productionModules(WORKSPACES.api)
  await generateClient()
  report(tier === 'api' ? 'FAISS and the embedding model' : 'pages')
  const api = tier === 'api' ? { addon: await faissAddon(modules), weights: await weights(report) } : null
  const web = tier === 'web' ? await webBuild(report) : null
  const agents = await fetchAgents(readPins(), path.join(IMAGES, 'agents'))
  const inputs = createHash('sha256')
    .update(
      JSON.stringify([
        ...[tier, options.release, debian.key, modules.key, api?.addon.key, EMBEDDER_WEIGHTS.files],
        ...[web && path.basename(web.dir), web && options.previous?.sha256],
        ...[fingerprint(['ami/recipe', 'ami/agents', 'ami/sbom', ...SOURCES_OF[tier]])],
      ]),
    )
    .digest('hex')
  report('putting it together')
  const made = await kept(`${tier}-root`, inputs.slice(0, 16), async (dir) => {
    await run`cp --archive --reflink=auto ${debian.dir} ${dir}`
    await provision(
      dir,
      { tier, release: options.release, madeAt: options.madeAt, inputs },
      {
        modules: modules.dir,
        addon: api?.addon.dir ?? '',
        weights: api?.weights ?? '',
        web: web?.dir ?? '',
        previous: options.previous?.dir ?? '',
        agents,
        packages: debian.packages,
        faiss: api?.addon.faiss,
      },
    )
  })
  return { ...made, packages: debian.packages, inputs }
}
