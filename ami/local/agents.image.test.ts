// The units of Amazon's agents in the web image's own systemd, with a stand-in for the CloudWatch agent: a program at its
// place that does with its pipeline what the real one does (aws/amazon-cloudwatch-agent 1.300071: journald receiver, `move`
// operator, CloudWatch Logs exporter), and writes into a file what that one would send.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { METRIC_NAMESPACE } from '../../contract/metrics.ts'
import { requireLicences } from '../sbom/licences.ts'
import { type Bom, mergeBoms, SBOM_FILE } from '../sbom/sbom.ts'
import { requireValid } from '../sbom/valid.ts'
import { type Cloud, startCloud } from './boot-test/cloud.ts'
import { webSettings } from './boot-test/installation.ts'
import { exposure, property } from './boot-test/probes.ts'
import { type ImageRoot, imageRoot } from './image-root.ts'
import { bootContainer, type Container } from './nspawn.ts'

const LOGS = 'terrace-logs.service'
const AGENT = '/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent'
const SENT = '/var/lib/private/terrace-logs/sent'
const STAND_IN = `#!/opt/terrace/node/bin/node
const { spawn } = require('node:child_process')
const { appendFileSync, readFileSync } = require('node:fs')
const { createInterface } = require('node:readline')
const [,, config, toml, otel, yaml] = process.argv
if (config !== '-config' || otel !== '-otelconfig' || !readFileSync(toml, 'utf8').includes('[agent]')) process.exit(3)
const { receivers, extensions, exporters } = JSON.parse(readFileSync(yaml, 'utf8'))
for (const of of Object.values(receivers)) {
  const args = ['--utc', '--output=json', '--follow', of.start_at === 'beginning' ? '--no-tail' : '--lines=0']
  for (const unit of of.units ?? []) args.push('--unit', unit)
  args.push('--priority', of.priority)
  for (const match of of.matches ?? []) for (const [name, value] of Object.entries(match)) args.push(name + '=' + value)
  if (of.all) args.push('--all')
  const child = spawn('journalctl', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  createInterface({ input: child.stdout }).on('line', (line) => {
    let body = JSON.parse(line)
    for (const { from } of of.operators) body = body[from.slice('body.'.length)]
    const message = exporters.awscloudwatchlogs.raw_log ? body : { body }
    const text = typeof message === 'string' ? message : JSON.stringify(message)
    appendFileSync(extensions.file_storage.directory + '/sent', text + '\\n')
  })
}
`

let folder: string
let roots: Readonly<Record<'api' | 'web', ImageRoot>>
let cloud: Cloud
let container: Container
let bare: Container
beforeAll(async () => {
  const facts = { release: 'agents-test', madeAt: '2026-01-01T00:00:00Z' }
  roots = { api: await imageRoot('api', facts), web: await imageRoot('web', facts) }
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-agents-'))
  const program = path.join(folder, 'agent')
  writeFileSync(program, STAND_IN, { mode: 0o755 })
  cloud = await startCloud()
  const { document } = webSettings('http://127.0.0.1:4000')
  // As the stack says it: without it a server measures nothing.
  const settings = { document: { ...document, TERRACE_STAGE: 'test' } }
  const metadata = async (host: string) => (await cloud.launch('web', host, settings)).metadata
  container = await bootContainer(roots.web.dir, { metadata, binds: { [program]: AGENT } })
  bare = await bootContainer(roots.web.dir, { metadata })
})
afterAll(async () => {
  await bare?.stop()
  await container?.stop()
  await cloud?.[Symbol.asyncDispose]()
  if (folder !== undefined) rmSync(folder, { recursive: true })
})
const sent = async () => (await container.exec('cat', SENT)).text.split('\n').filter(Boolean)

test('the agent is told by the metadata, and sends the server’s lines as they were written', async () => {
  await vi.waitFor(async () => expect((await sent()).join('\n')).toContain('"msg":"metrics"'), {
    timeout: 60_000,
    interval: 500,
  })
  const line = JSON.parse((await sent()).find((one) => one.includes('"msg":"metrics"')) ?? '')
  expect(line._aws.CloudWatchMetrics[0]).toMatchObject({
    Namespace: METRIC_NAMESPACE,
    Dimensions: [['Stage', 'Tier']],
  })
  expect(line).toMatchObject({ Stage: 'test', Tier: 'web', MemoryUsed: expect.any(Number) })
  const { text } = await container.exec('cat', '/run/terrace-logs/pipeline.yaml')
  expect(JSON.parse(text).exporters.awscloudwatchlogs).toMatchObject({
    region: 'eu-west-1',
    log_group_name: 'terrace-test-1-logs',
    log_stream_name: expect.stringMatching(/^i-/),
  })
})

test('it sends what configured the server too, and what systemd says of its units', async () => {
  await vi.waitFor(
    async () => expect((await sent()).join('\n')).toContain('The environment of test’s web server'),
    {
      timeout: 30_000,
    },
  )
  expect((await sent()).join('\n')).toMatch(/Started terrace-web\.service/)
})

test('of a line that is longer than 4 KiB nothing is left out, as journalctl would by itself', async () => {
  await container.exec('sh', '-c', "head -c 6000 /dev/zero | tr '\\0' x | systemd-cat --identifier=long")
  const read = async (...more: string[]) => {
    const { text } = await container.exec('journalctl', '--identifier=long', '--output=json', ...more)
    return text.trim() === '' ? undefined : JSON.parse(text).MESSAGE
  }
  await vi.waitFor(async () => expect(await read('--all')).toHaveLength(6_000), { timeout: 30_000 })
  expect(await read()).toBeNull()
})

test('it can do no more than it needs, and is started again', async () => {
  expect(await exposure(container, LOGS)).toBeLessThanOrEqual(1.4)
  const before = await property(container, LOGS, 'MainPID')
  // Of one that does not run it is 0, which means whoever kills.
  expect(Number(before)).toBeGreaterThan(0)
  await container.exec('kill', '-KILL', before)
  await vi.waitFor(
    async () => {
      expect(await property(container, LOGS, 'ActiveState')).toBe('active')
      expect(await property(container, LOGS, 'MainPID')).not.toBe(before)
    },
    { timeout: 30_000, interval: 200 },
  )
})

test('an image without agents serves: their units are passed over, and nothing has failed', async () => {
  for (const unit of [LOGS, 'terrace-ssm.service']) {
    expect(await property(bare, unit, 'ConditionResult')).toBe('no')
    expect(await property(bare, unit, 'ActiveState')).toBe('inactive')
  }
  await vi.waitFor(
    async () => expect(await property(bare, 'terrace-web.service', 'ActiveState')).toBe('active'),
    { timeout: 60_000, interval: 200 },
  )
  expect((await bare.exec('systemctl', 'list-units', '--failed', '--plain', '--no-legend')).text).toBe('')
})

test('each image has its own SBOM, by the schema, of licences that may be passed on', async () => {
  const read = (tier: 'api' | 'web') => readFileSync(path.join(roots[tier].dir, SBOM_FILE), 'utf8')
  const [api, web]: readonly Bom[] = [JSON.parse(read('api')), JSON.parse(read('web'))]
  if (api === undefined || web === undefined) throw new Error('one is missing')
  for (const tier of ['api', 'web'] as const) await requireValid(read(tier))
  requireLicences(mergeBoms({ api, web }, 'agents-test'), undefined, true)
  const names = (bom: Bom) => bom.components.map(({ name }) => name)
  expect(names(api)).toEqual(expect.arrayContaining(['libc6', 'node', 'fastify', 'libfaiss-dev']))
  expect(names(web)).toEqual(expect.arrayContaining(['libc6', 'node', 'next', 'react']))
})
