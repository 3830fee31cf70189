// The real clients against a server on this machine: what they send, how often, and what their errors become.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateChangeSetCommand, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { CompleteSnapshotCommand, PutSnapshotBlockCommand } from '@aws-sdk/client-ebs'
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect } from './connect.ts'
import { callerIn, whoAmI } from './port.ts'
import { AwsProblem } from './problems.ts'

interface Asked {
  readonly path: string
  readonly action: string
  /** What the signature says of the body. */
  readonly signed: string
}
let server: Server
let asked: Asked[] = []
let answers: { status: number; body: string }[] = []
beforeEach(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const action = new URLSearchParams(Buffer.concat(chunks).toString()).get('Action') ?? ''
      asked.push({
        path: request.url ?? '',
        action,
        signed: String(request.headers['x-amz-content-sha256']),
      })
      const { status, body } = answers.shift() ?? { status: 500, body: '' }
      response.writeHead(status, { 'content-type': 'text/xml' }).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A name, not a number: only then does the SDK put the bucket into the host.
  vi.stubEnv('AWS_ENDPOINT_URL', `http://localhost:${(server.address() as AddressInfo).port}`)
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAEXAMPLE')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'example')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  asked = []
  answers = []
  await new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  })
})

const refused = (name: string, message: string, status = 400) => ({
  status,
  body: `<ErrorResponse><Error><Type>Sender</Type><Code>${name}</Code><Message>${message}</Message></Error><RequestId>r</RequestId></ErrorResponse>`,
})
const caller = (account: string) => ({
  status: 200,
  body: `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:sts::${account}:assumed-role/Deployer/jo</Arn><UserId>x</UserId><Account>${account}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
})
const aws = () => connect({ region: 'eu-west-1' })

test('what is not asked of AWS is said, once, and without what may be secret in the address', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://jo:secret@localhost:4566/x')
  aws()
  aws()
  const lines = written.mock.calls.map(([line]) => String(line))
  written.mockRestore()
  expect(lines.filter((line) => line.includes('AWS_ENDPOINT_URL_S3'))).toEqual([
    'AWS_ENDPOINT_URL_S3 is set: what it stands for is asked of http://localhost:4566, and not of AWS.\n',
  ])
  expect(lines.join('')).toContain('AWS_ENDPOINT_URL is set')
})
const stacks = () => aws().cloudformation.send(new DescribeStacksCommand({ StackName: 'terrace-dev' }))

test('who one is, and that it is the account that is meant', async () => {
  answers = [caller('222233334444'), caller('222233334444'), caller('222233334444')]
  expect(await whoAmI(aws())).toEqual({
    account: '222233334444',
    arn: 'arn:aws:sts::222233334444:assumed-role/Deployer/jo',
  })
  expect((await callerIn(aws(), '222233334444', 'Stage dev')).account).toBe('222233334444')
  const other = callerIn(aws(), '555566667777', 'Stage dev')
  await expect(other).rejects.toMatchObject({ name: 'AwsProblem', kind: 'wrong-account' })
  await expect(other).rejects.toThrow(
    /Stage dev belongs to account 555566667777.*222233334444.*Nothing was changed/,
  )
})

test('a right that is missing: who, what and on what', async () => {
  answers = [
    refused(
      'AccessDenied',
      'User: arn:aws:sts::222233334444:assumed-role/Deployer/jo is not authorized to perform: cloudformation:CreateChangeSet on resource: arn:aws:cloudformation:eu-west-1:222233334444:stack/terrace-dev/* because no identity-based policy allows the cloudformation:CreateChangeSet action',
      403,
    ),
  ]
  const call = aws().cloudformation.send(new CreateChangeSetCommand({ StackName: 'x', ChangeSetName: 'y' }))
  await expect(call).rejects.toMatchObject({ kind: 'access-denied' })
  await expect(call).rejects.toThrow(
    /^arn:aws:sts::222233334444:assumed-role\/Deployer\/jo may not cloudformation:CreateChangeSet on arn:aws:cloudformation:eu-west-1:222233334444:stack\/terrace-dev\/\*\./,
  )
  expect(asked.length).toBe(1)
})

test.each([
  [
    'ExpiredToken',
    'credentials-expired',
    /expired before cloudformation DescribeStacks in eu-west-1: sign in again/,
  ],
  ['InvalidClientTokenId', 'credentials-refused', /does not know these credentials/],
  ['SignatureDoesNotMatch', 'credentials-refused', /does not know these credentials/],
  ['RequestTimeTooSkewed', 'clock-wrong', /clock/],
  ['OptInRequired', 'wrong-region', /not enabled/],
] as const)('%s is %s', async (name, kind, words) => {
  answers = Array.from({ length: 3 }, () => refused(name, 'Something about it', 403))
  const call = stacks()
  await expect(call).rejects.toMatchObject({ name: 'AwsProblem', kind })
  await expect(call).rejects.toThrow(words)
  await expect(call).rejects.toThrow(`(${name}: Something about it)`)
})

test('what is about the question itself stays the SDK’s error', async () => {
  answers = [refused('ValidationError', 'Stack with id terrace-dev does not exist')]
  const error = await stacks().catch((thrown: unknown) => thrown)
  expect(error).not.toBeInstanceOf(AwsProblem)
  expect(error).toMatchObject({ name: 'ValidationError' })
})

test('slowed down: asked again', async () => {
  answers = [refused('Throttling', 'Rate exceeded'), refused('ValidationError', 'x')]
  await expect(stacks()).rejects.toMatchObject({ name: 'ValidationError' })
  expect(asked.length).toBe(2)
})

test('blocks: their checksum is signed and not they, and whoever puts them decides what is tried again', async () => {
  const block = new PutSnapshotBlockCommand({
    SnapshotId: 'snap-0123456789abcdef0',
    BlockIndex: 7,
    BlockData: new Uint8Array(8),
    DataLength: 524_288,
    Checksum: 'AAAA',
    ChecksumAlgorithm: 'SHA256',
  })
  await expect(aws().ebs.send(block)).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } })
  const complete = new CompleteSnapshotCommand({
    SnapshotId: 'snap-0123456789abcdef0',
    ChangedBlocksCount: 1,
  })
  await expect(aws().ebs.send(complete)).rejects.toMatchObject({ $metadata: { httpStatusCode: 500 } })
  expect(asked.map(({ path }) => path)).toEqual([
    '/snapshots/snap-0123456789abcdef0/blocks/7',
    '/snapshots/completion/snap-0123456789abcdef0',
  ])
  expect(asked[0]?.signed).toBe('UNSIGNED-PAYLOAD')
  expect(asked[1]?.signed).toMatch(/^[0-9a-f]{64}$/)
})

test('nobody answers', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
  await expect(stacks()).rejects.toMatchObject({ name: 'AwsProblem', kind: 'unreachable' })
})

test('no credentials', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', '')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', '')
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent')
  vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent')
  await expect(stacks()).rejects.toMatchObject({ name: 'AwsProblem', kind: 'credentials-missing' })
  expect(asked).toEqual([])
})

test('at an endpoint that is not AWS’s, a bucket is part of the path; a HEAD’s 403 is a missing right', async () => {
  answers = [
    { status: 200, body: '' },
    { status: 403, body: '' },
    { status: 412, body: '' },
  ]
  const { s3 } = aws()
  await s3.send(new PutObjectCommand({ Bucket: 'terrace-state', Key: 'a/b', Body: 'x' }))
  expect(asked[0]?.path).toMatch(/^\/terrace-state\/a\/b/)
  await expect(s3.send(new HeadObjectCommand({ Bucket: 'terrace-state', Key: 'a' }))).rejects.toMatchObject({
    name: 'AwsProblem',
    kind: 'access-denied',
    message: expect.stringContaining('may not do what s3 HeadObject in eu-west-1 needs'),
  })
  await expect(
    s3.send(new PutObjectCommand({ Bucket: 'terrace-state', Key: 'a', Body: 'x', IfNoneMatch: '*' })),
  ).rejects.not.toBeInstanceOf(AwsProblem)
})

test('waiting ends with its signal', async () => {
  const ended = new AbortController()
  const waiting = aws().clock.sleep(3_600_000, ended.signal)
  ended.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  await aws().clock.sleep(1)
})

test('its clock does not jump with the machine’s', () => {
  const { clock } = connect({ region: 'eu-west-1' })
  const before = clock.now().getTime()
  try {
    for (const hours of [-1, 24]) {
      vi.setSystemTime(Date.now() + hours * 3_600_000)
      expect(Math.abs(clock.now().getTime() - before)).toBeLessThan(600_000)
    }
  } finally {
    vi.useRealTimers()
  }
})
