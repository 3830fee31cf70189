// What Amazon's CloudWatch agent is told: to send the lines of this server's programs to its log group exactly as they
// were written. CloudWatch finds metrics in such a line (contract/emf.ts), and in none that has anything around it. The
// agent's own short form of a configuration sends the whole entry of the journal as an object, so it is given its
// pipeline in the form that it translates that one into. Sources: aws/amazon-cloudwatch-agent, translator/translate/otel;
// OpenTelemetry's journald receiver and CloudWatch Logs exporter.
import type { Launch } from './launch.ts'

/** Units whose lines are sent, by tier. Not the agent's own: a line that it can't send would make another one. */
export const SENT_UNITS: Readonly<Record<Launch['tier'], readonly string[]>> = {
  api: [
    ...['terrace-api.service', 'terrace-ingest.service'],
    ...['terrace-configure.service', 'terrace-in-service.service'],
    ...['terrace-drain.service', 'terrace-handed-back.service'],
  ],
  web: [
    ...['terrace-web.service', 'terrace-configure.service', 'terrace-in-service.service'],
    ...['terrace-drain.service', 'terrace-handed-back.service'],
  ],
}

export interface AgentFiles {
  /** TOML: of the agent itself. */
  readonly agent: string
  /** JSON, which is YAML: of its pipeline. */
  readonly pipeline: string
}

/** In the agent's state folder, where it keeps how far it has read and what it could not send yet. */
const STORAGE = 'file_storage'

/**
 * @param instance id, which names the stream of lines
 * @param state folder that outlives the agent
 */
export function agentFiles(
  { tier, region, logGroup, environment }: Pick<Launch, 'tier' | 'region' | 'logGroup' | 'environment'>,
  instance: string,
  state: string,
): AgentFiles {
  const endpoint = environment.AWS_ENDPOINT_URL_CLOUDWATCH_LOGS ?? environment.AWS_ENDPOINT_URL
  const journal = (more: object) => ({
    // A server that is new has something to say of how it began; one that is old goes on where it was.
    start_at: 'beginning',
    priority: 'info',
    // Without it journalctl leaves out what is longer than 4 KiB: the errors, with their stacks.
    all: true,
    convert_message_bytes: true,
    storage: STORAGE,
    operators: [{ type: 'move', from: 'body.MESSAGE', to: 'body' }],
    ...more,
  })
  const pipeline = {
    extensions: { [STORAGE]: { directory: state, create_directory: false, timeout: '10s' } },
    receivers: {
      'journald/servers': journal({ units: SENT_UNITS[tier] }),
      // Whom the kernel has killed for want of memory, and what it finds wrong with a disk.
      'journald/kernel': journal({ matches: [{ _TRANSPORT: 'kernel' }], priority: 'warning' }),
    },
    processors: { batch: { timeout: '1s', send_batch_size: 1_000, send_batch_max_size: 2_000 } },
    exporters: {
      awscloudwatchlogs: {
        region,
        log_group_name: logGroup,
        log_stream_name: instance,
        ...(endpoint !== undefined && { endpoint }),
        // The line, and nothing around it.
        raw_log: true,
        retry_on_failure: { enabled: true, max_interval: '30s', max_elapsed_time: '0s' },
        // On disk: neither an hour without AWS nor the agent's end loses a line that it has read.
        sending_queue: { enabled: true, num_consumers: 1, queue_size: 2_000, storage: STORAGE },
      },
    },
    service: {
      extensions: [STORAGE],
      pipelines: {
        logs: {
          receivers: ['journald/servers', 'journald/kernel'],
          processors: ['batch'],
          exporters: ['awscloudwatchlogs'],
        },
      },
      telemetry: { metrics: { level: 'none' }, logs: { level: 'warn', encoding: 'console' } },
    },
  }
  return { agent: AGENT, pipeline: `${JSON.stringify(pipeline, null, 2)}\n` }
}

/** It measures nothing: what alarms read, the servers measure and write themselves. An empty file is its standard error. */
const AGENT = `[agent]
  interval = "60s"
  flush_interval = "1s"
  logfile = ""
  quiet = false
  omit_hostname = true
`
