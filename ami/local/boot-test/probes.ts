// Questions that are asked from within what is booted.
import type { Container } from '../nspawn.ts'

const NODE = '/opt/terrace/node/bin/node'
/** Asks for a token, as whoever wants the machine's credentials begins. Patient: an emulated machine is slow. */
export const ASK = `fetch('http://169.254.169.254/latest/api/token', {
  method: 'PUT', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }, signal: AbortSignal.timeout(20000),
}).then(({ status }) => console.log('answer', status), () => console.log('no answer'))`

/** @param before command that the question is asked by, such as `nsenter … --`. @returns `answer 200` or `no answer` */
export async function askMetadata(container: Container, ...before: readonly string[]): Promise<string> {
  const { text } = await container.exec(...before, NODE, '-e', ASK)
  return text.trim()
}

export async function property(container: Container, unit: string, name: string): Promise<string> {
  const { text } = await container.exec('systemctl', 'show', '--value', `--property=${name}`, unit)
  return text.trim()
}

/** Exposure that `systemd-analyze security` says (0: locked in, 10: anything goes). */
export async function exposure(container: Container, unit: string): Promise<number> {
  const { text } = await container.exec('systemd-analyze', '--no-pager', 'security', unit)
  const [, score] = /Overall exposure level for \S+: ([\d.]+)/.exec(text) ?? []
  return Number(score)
}
