// Writes what the CloudWatch agent is told into memory, before it starts. It asks the metadata itself and not
// terrace-configure: why a server gets no environment is among the lines that somebody will look for.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { agentFiles } from './agent-config.ts'
import type { Imds } from './imds.ts'
import { isBootTest, readTold } from './launch.ts'

/** @returns false when there is nobody to send lines to: the machine only tests its image. @throws Hopeless for user data that are wrong; ImdsSilent */
export async function tellAgent(
  imds: Imds,
  { folder, state }: { readonly folder: string; readonly state: string },
): Promise<boolean> {
  const launch = await readTold(imds)
  if (isBootTest(launch)) return false
  const instance = await imds.get('meta-data/instance-id')
  if (instance === undefined) throw new Error('The metadata of this server have no instance id.')
  const { agent, pipeline } = agentFiles(launch, instance, state)
  await writeFile(path.join(folder, 'agent.toml'), agent)
  await writeFile(path.join(folder, 'pipeline.yaml'), pipeline)
  return true
}
