// Writes what the CloudWatch agent is told into memory, before it starts. It asks the metadata itself and not
// terrace-configure: why a server gets no environment is among the lines that somebody will look for.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { agentFiles } from './agent-config.ts'
import type { Imds } from './imds.ts'
import { readLaunch } from './launch.ts'

/** @throws Hopeless for user data that are wrong; ImdsSilent */
export async function tellAgent(
  imds: Imds,
  { folder, state }: { readonly folder: string; readonly state: string },
): Promise<void> {
  const launch = await readLaunch(imds)
  const instance = await imds.get('meta-data/instance-id')
  if (instance === undefined) throw new Error('The metadata of this server have no instance id.')
  const { agent, pipeline } = agentFiles(launch, instance, state)
  await writeFile(path.join(folder, 'agent.toml'), agent)
  await writeFile(path.join(folder, 'pipeline.yaml'), pipeline)
}
