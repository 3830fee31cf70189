// The two agents of Amazon that an image carries beside Debian's packages: what sends the servers' lines to CloudWatch
// Logs, and what lets an operator in without a port that is open. Where they come from, who signs them, and what of
// their packages goes into an image.
import { z } from 'zod'

export const AGENT_NAMES = ['cloudwatch', 'ssm'] as const
export type AgentName = (typeof AGENT_NAMES)[number]

export interface Agent {
  /** Name of its Debian package. */
  readonly package: string
  /** The newest package; its signature lies beside it, as `.sig`. */
  readonly latest: string
  /** The same of one version, which never changes. */
  readonly of: (version: string) => string
  /** Where its signer's key is; undefined: on a page of AWS only, from which a person takes it. */
  readonly key: string | undefined
  /** Fingerprint of that key as AWS publishes it. */
  readonly fingerprint: string | undefined
  /** Page that says so. */
  readonly page: string
  /** The first version that does what an image needs of it. */
  readonly from: string
  /** SPDX. */
  readonly licence: string
  readonly source: string
  /** Files of the package → places in an image. Its scripts are not run, its own units stay out. */
  readonly files: Readonly<Record<string, string>>
}

const CLOUDWATCH = '/opt/aws/amazon-cloudwatch-agent'
const CLOUDWATCH_BUCKET = 'https://amazoncloudwatch-agent.s3.amazonaws.com'
const SSM_BUCKET = 'https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent'
const USER_GUIDES = 'https://docs.aws.amazon.com'

const same = (...files: readonly string[]) => Object.fromEntries(files.map((file) => [file, file]))

export const AGENTS: Readonly<Record<AgentName, Agent>> = {
  cloudwatch: {
    package: 'amazon-cloudwatch-agent',
    latest: `${CLOUDWATCH_BUCKET}/debian/amd64/latest/amazon-cloudwatch-agent.deb`,
    of: (version) => `${CLOUDWATCH_BUCKET}/debian/amd64/${version}/amazon-cloudwatch-agent.deb`,
    key: `${CLOUDWATCH_BUCKET}/assets/amazon-cloudwatch-agent.gpg`,
    fingerprint: '937616F3450B7D806CBD9725D58167303B789C72',
    page: `${USER_GUIDES}/AmazonCloudWatch/latest/monitoring/verify-CloudWatch-Agent-Package-Signature.html`,
    // Its release notes: "Add journald log collection support" (2026-06-19).
    from: '1.300070.0',
    licence: 'MIT',
    source: 'https://github.com/aws/amazon-cloudwatch-agent',
    // The program alone: its translator, wizard and control script are for configurations that are made on the spot.
    files: same(`${CLOUDWATCH}/bin/amazon-cloudwatch-agent`),
  },
  ssm: {
    package: 'amazon-ssm-agent',
    latest: `${SSM_BUCKET}/latest/debian_amd64/amazon-ssm-agent.deb`,
    of: (version) => `${SSM_BUCKET}/${version}/debian_amd64/amazon-ssm-agent.deb`,
    key: undefined,
    // It is changed every year and a half; whoever pins takes the present one from the page.
    fingerprint: undefined,
    page: `${USER_GUIDES}/systems-manager/latest/userguide/verify-agent-signature.html`,
    // IMDSv2 alone, and a signature beside the package.
    from: '3.1.1141.0',
    licence: 'Apache-2.0',
    source: 'https://github.com/aws/amazon-ssm-agent',
    files: same(
      ...['amazon-ssm-agent', 'ssm-agent-worker', 'ssm-document-worker'].map((name) => `/usr/bin/${name}`),
      ...['ssm-session-worker', 'ssm-session-logger'].map((name) => `/usr/bin/${name}`),
    ),
  },
}

const pin = z.strictObject({
  /** As AWS names it, without Debian's revision. */
  version: z.string().regex(/^\d+(\.\w+)+$/, 'is not a version'),
  url: z.url({ protocol: /^https?$/ }),
  /** Of the package, in hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex'),
  bytes: z.number().int().positive(),
  /** Fingerprint of the key by whose signature it was taken. */
  signedBy: z.string().regex(/^[0-9A-F]{40}$/, 'is not a fingerprint'),
})
export type Pin = Readonly<z.infer<typeof pin>>

export const pinsSchema = z.strictObject({ cloudwatch: pin.optional(), ssm: pin.optional() })
export type Pins = Readonly<z.infer<typeof pinsSchema>>

/** Whether `version` is `from` or later; parts are compared as numbers, what stands behind a number is a build. */
export function isFrom(version: string, from: string): boolean {
  const parts = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0)
  const [is, wanted] = [parts(version), parts(from)]
  for (let at = 0; at < Math.max(is.length, wanted.length); at++) {
    const difference = (is[at] ?? 0) - (wanted[at] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
