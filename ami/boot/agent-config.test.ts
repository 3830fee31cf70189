// What the CloudWatch agent is told, against what writes the lines, what is installed, and what reads them: units, the
// stack's log groups and its alarms.
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { metricLines } from '../../contract/emf.ts'
import { METRICS } from '../../contract/metrics.ts'
import { list, ofType, property } from '../../infra/reading.ts'
import { sample } from '../../infra/samples.ts'
import { AGENTS } from '../agents/agents.ts'
import { agentFiles, SENT_UNITS } from './agent-config.ts'
import { tellAgent } from './logs.ts'

const LAUNCH = {
  stage: 'prod',
  tier: 'api',
  region: 'eu-west-1',
  parameters: '/terrace/prod/api',
  secrets: {},
  logGroup: 'terrace-prod-ApiLogs-1A2B',
  environment: {},
  hooks: { launch: 'ready', terminate: 'handed-back' },
  inServiceAfter: 30,
} as const
const UNITS = path.resolve(import.meta.dirname, '../recipe/tree/etc/systemd/system')
const unit = readFileSync(path.join(UNITS, 'terrace-logs.service'), 'utf8')

interface Pipeline {
  readonly extensions: { readonly file_storage: { readonly directory: string } }
  readonly receivers: Readonly<
    Record<
      string,
      {
        readonly all: boolean
        readonly units?: readonly string[]
        readonly storage: string
        readonly operators: readonly { readonly type: string; readonly from: string; readonly to: string }[]
      }
    >
  >
  readonly exporters: {
    readonly awscloudwatchlogs: {
      readonly raw_log: boolean
      readonly log_group_name: string
      readonly log_stream_name: string
      readonly region: string
      readonly endpoint?: string
      readonly sending_queue: { readonly storage: string }
    }
  }
  readonly service: { readonly pipelines: { readonly logs: Readonly<Record<string, readonly string[]>> } }
}
const pipelineOf = (launch: Parameters<typeof agentFiles>[0] = LAUNCH): Pipeline =>
  JSON.parse(agentFiles(launch, 'i-1', '/var/lib/terrace-logs').pipeline)

/** An entry of the journal as the agent sends it: its operators, then either the body alone or all of the record. */
function sent(pipeline: Pipeline, entry: Readonly<Record<string, unknown>>): string {
  const { operators } = pipeline.receivers['journald/servers'] ?? { operators: [] }
  let body: unknown = entry
  for (const { type, from, to } of operators) {
    expect([type, to]).toEqual(['move', 'body'])
    body = entry[from.replace(/^body\./, '')]
  }
  if (!pipeline.exporters.awscloudwatchlogs.raw_log) return JSON.stringify({ body })
  return typeof body === 'string' ? body : JSON.stringify(body)
}

describe('a line of a server', () => {
  test('reaches CloudWatch as it was written, so that its metrics are found', () => {
    const [line] = metricLines({ Stage: 'prod', Tier: 'api' }, 1, { MemoryUsed: 41.5, DiskUsed: 20 })
    const written = JSON.stringify({ level: 30, name: 'api', ...line, msg: 'metrics' })
    const entry = { MESSAGE: written, PRIORITY: '6', _SYSTEMD_UNIT: 'terrace-api.service', _PID: '7' }
    expect(sent(pipelineOf(), entry)).toBe(written)
    const { _aws, ...values } = JSON.parse(sent(pipelineOf(), entry))
    expect(_aws.CloudWatchMetrics[0]).toMatchObject({ Namespace: 'Terrace', Dimensions: [['Stage', 'Tier']] })
    expect(values).toMatchObject({ Stage: 'prod', Tier: 'api', MemoryUsed: 41.5, DiskUsed: 20 })
  })

  test('has, once it is sent, what the stack’s alarms on memory and disk ask for', () => {
    const alarms = ofType(sample('prod').template, 'AWS::CloudWatch::Alarm').map(([, alarm]) => ({
      metric: property(alarm, 'MetricName'),
      namespace: property(alarm, 'Namespace'),
      dimensions: list(property(alarm, 'Dimensions')),
    }))
    for (const tier of ['api', 'web'] as const) {
      const [line] = metricLines({ Stage: 'prod', Tier: tier }, 1, { MemoryUsed: 41.5, DiskUsed: 20 })
      const arrived = JSON.parse(sent(pipelineOf({ ...LAUNCH, tier }), { MESSAGE: JSON.stringify(line) }))
      const [directive] = arrived._aws.CloudWatchMetrics
      for (const { Name: metric } of directive.Metrics)
        expect(alarms).toContainEqual({
          metric,
          namespace: directive.Namespace,
          dimensions: directive.Dimensions[0].map((Name: string) => ({ Name, Value: arrived[Name] })),
        })
    }
  })

  test('is sent whole: journalctl leaves out what is longer than 4 KiB when it is not told otherwise', () => {
    for (const receiver of Object.values(pipelineOf().receivers)) expect(receiver.all).toBe(true)
  })

  test('is not lost when the agent ends, or AWS is away: both ends of the pipeline are kept on disk', () => {
    const { extensions, receivers, exporters } = pipelineOf()
    const folder = /^StateDirectory=(.+)$/m.exec(unit)?.[1]
    expect(extensions.file_storage.directory).toBe(`/var/lib/${folder}`)
    const kept = [...Object.values(receivers), exporters.awscloudwatchlogs.sending_queue]
    for (const { storage } of kept) expect(storage).toBe('file_storage')
  })

  test('is of every unit of its tier that writes one, and never of the agent’s own', () => {
    const all = readdirSync(UNITS).filter((name) => /^terrace-.*\.service$/.test(name))
    // Those of a boot test run only where no agent does.
    const silent = ['logs', 'ssm', 'boot-test', 'self-check'].map((name) => `terrace-${name}.service`)
    expect([...new Set(Object.values(SENT_UNITS).flat())].sort()).toEqual(
      all.filter((name) => !silent.includes(name)).sort(),
    )
    expect(SENT_UNITS.web).not.toContain('terrace-api.service')
    expect(SENT_UNITS.api).not.toContain('terrace-web.service')
    expect(pipelineOf({ ...LAUNCH, tier: 'web' }).receivers['journald/servers']?.units).toEqual(
      SENT_UNITS.web,
    )
  })
})

test('it is told where by what the stack tells the server, and nothing that is secret', () => {
  const { awscloudwatchlogs: told } = pipelineOf().exporters
  expect(told).toMatchObject({ log_group_name: LAUNCH.logGroup, region: 'eu-west-1', log_stream_name: 'i-1' })
  expect(told.endpoint).toBeUndefined()
  const elsewhere = { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' }
  expect(pipelineOf({ ...LAUNCH, environment: elsewhere }).exporters.awscloudwatchlogs.endpoint).toBe(
    'http://127.0.0.1:1',
  )
})

test('everything of its pipeline is there that it is put together of', () => {
  const { service, receivers } = pipelineOf()
  expect(service.pipelines.logs.receivers).toEqual(Object.keys(receivers))
})

test('what alarms read is written by the servers themselves: the agent measures nothing', () => {
  const { agent } = agentFiles(LAUNCH, 'i-1', '/x')
  expect(agent).not.toMatch(/inputs|outputs/)
  for (const name of ['MemoryUsed', 'DiskUsed'] as const) expect(METRICS[name].tiers).toEqual(['api', 'web'])
})

test('the unit starts the program that is installed, with the files that are written', async () => {
  const [program = ''] = Object.values(AGENTS.cloudwatch.files)
  const folder = await mkdtemp(path.join(tmpdir(), 'terrace-logs-'))
  try {
    const metadata: Record<string, string> = {
      'user-data': JSON.stringify(LAUNCH),
      'meta-data/instance-id': 'i-0123456789abcdef0',
    }
    await tellAgent({ get: async (name) => metadata[name] }, { folder, state: '/var/lib/terrace-logs' })
    expect(unit).toContain(
      `\nExecStart=${program} -config /run/terrace-logs/agent.toml -otelconfig /run/terrace-logs/pipeline.yaml\n`,
    )
    expect(unit).toContain(`\nConditionFileIsExecutable=${program}\n`)
    expect(unit).toContain('\nRuntimeDirectory=terrace-logs\n')
    expect(JSON.parse(await readFile(path.join(folder, 'pipeline.yaml'), 'utf8'))).toMatchObject({
      exporters: { awscloudwatchlogs: { log_stream_name: 'i-0123456789abcdef0' } },
    })
    expect(await readFile(path.join(folder, 'agent.toml'), 'utf8')).toContain('[agent]')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('nobody waits for it, and it may do little', () => {
  const others = readdirSync(UNITS).filter((name) => name !== 'terrace-logs.service')
  for (const name of others)
    expect(readFileSync(path.join(UNITS, name), 'utf8')).not.toMatch(/terrace-(logs|ssm)/)
  for (const line of ['DynamicUser=yes', 'SupplementaryGroups=systemd-journal', 'ProtectSystem=strict'])
    expect(unit.split('\n')).toContain(line)
  for (const line of ['CapabilityBoundingSet=', 'NoNewPrivileges=yes', 'Restart=always'])
    expect(unit.split('\n')).toContain(line)
  expect(unit).not.toMatch(/terrace-configure\.service$|^Requires=|IPAddressDeny/m)
})
