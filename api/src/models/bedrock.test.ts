import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { SCRIPTED_REGION } from '../../test/scripted-bedrock.ts'
import { type ScriptedModel, startScriptedModel } from '../../test/scripted-model.ts'
import type { AppError } from '../errors.ts'
import { bedrockUrl, createBedrock } from './bedrock.ts'
import { languageCases, listen } from './language.cases.ts'
import { createOutbound, type Outbound } from './outbound.ts'

/** Session tokens that the runtime no longer takes. */
const expired = new Set<string>()
let scripted: ScriptedModel
let origin: string
let outbound: Outbound
beforeAll(async () => {
  scripted = await startScriptedModel({
    aws(id, token) {
      if (expired.has(token)) return 'expired'
      return /^AKID\d$/.test(id) ? `secret of ${id}` : null
    },
  })
  origin = new URL(scripted.url).origin
  outbound = createOutbound([origin])
})
afterAll(async () => {
  await outbound.close()
  await scripted.close()
})
afterEach(() => expired.clear())

const info = {
  ...{ id: 'm', name: 'M', provider: 'Amazon Bedrock' },
  ...{ contextTokens: null, price: null, available: true },
}

/** Short where silence is what is tested, long where a busy machine could be taken for it. */
const options = (model: string) => {
  const seconds = /hang|stall/.test(model) ? 0.3 : 30
  return {
    ...{ info, model, region: SCRIPTED_REGION, url: origin },
    ...{ firstTokenSeconds: seconds, stallSeconds: seconds },
  }
}

const KEYS = { accessKeyId: 'AKID1', secretAccessKey: 'secret of AKID1', sessionToken: 'session/+=1' }
const create = (model: string, more: object = {}, keys: typeof KEYS = KEYS) =>
  createBedrock(outbound, () => ({ current: async () => keys }))({ ...options(model), ...more })
/** As a server has it: by the SDK's own chain. */
const createFound = (model: string) => createBedrock(outbound)(options(model))

const codeOf = async (model: string, more: object = {}, keys = KEYS) =>
  ((await listen(create(model, more, keys))).error as AppError | null)?.code

describe('a model of Amazon Bedrock', () => {
  languageCases({ scripted: () => scripted, create })

  it('is asked by the ARN of a profile, in a request that is signed for its region', async () => {
    const arn = `arn:aws:bedrock:${SCRIPTED_REGION}:123456789012:application-inference-profile/a1 (b)!'*`
    expect(await listen(create(`${arn}?text=Yes.`))).toMatchObject({ text: 'Yes.', error: null })
    expect(scripted.requests.at(-1)?.model).toBe(`${arn}?text=Yes.`)
    expect(scripted.requests.at(-1)?.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKID1\/\d{8}\/eu-central-1\/bedrock\/aws4_request, /,
    )
    const before = scripted.requests.length
    expect(await codeOf('m?text=Yes.', { region: 'us-east-1' })).toBe('MODEL_REFUSED_KEY')
    expect(await codeOf('m?text=Yes.', {}, { ...KEYS, secretAccessKey: 'another' })).toBe('MODEL_REFUSED_KEY')
    expect(await codeOf('m?text=Yes.', {}, { ...KEYS, accessKeyId: 'NOBODY' })).toBe('MODEL_REFUSED_KEY')
    expect(scripted.requests.length).toBe(before)
  })

  it('is not asked with a key that stands in the environment for other programs', async () => {
    vi.stubEnv('AWS_BEARER_TOKEN_BEDROCK', 'a-key')
    vi.stubEnv('AWS_ENDPOINT_URL_BEDROCK_RUNTIME', 'http://127.0.0.1:1')
    expect(await listen(create('m?text=Yes.'))).toMatchObject({ text: 'Yes.', error: null })
    expect(scripted.requests.at(-1)?.authorization).toMatch(/^AWS4-/)
    vi.unstubAllEnvs()
  })

  it('goes by the one way out', async () => {
    const other = createOutbound([])
    const model = createBedrock(other, () => ({ current: async () => KEYS }))(options('m?text=Yes.'))
    const { error } = await listen(model)
    expect(error).toMatchObject({ code: 'MODEL_UNAVAILABLE' })
    expect((error as AppError).internal).toContain('may not be reached')
    await other.close()
  })

  it.each([
    ['eu-central-1', 'https://bedrock-runtime.eu-central-1.amazonaws.com'],
    ['us-gov-west-1', 'https://bedrock-runtime.us-gov-west-1.amazonaws.com'],
    ['cn-north-1', 'https://bedrock-runtime.cn-north-1.amazonaws.com.cn'],
    ['eusc-de-east-1', 'https://bedrock-runtime.eusc-de-east-1.amazonaws.eu'],
  ])('of %s is at %s', (region, url) => {
    expect(bedrockUrl(region)).toBe(url)
  })

  it.each([
    [403, 'AccessDeniedException', 'You have no access to the model', 'MODEL_REFUSED_KEY'],
    [403, 'UnrecognizedClientException', 'invalid', 'MODEL_REFUSED_KEY'],
    [403, 'ExpiredTokenException', 'expired', 'MODEL_REFUSED_KEY'],
    [400, 'NotAuthorized', 'no', 'MODEL_REFUSED_KEY'],
    [404, 'ResourceNotFoundException', 'Model use case details have not been submitted', 'MODEL_REFUSED_KEY'],
    [
      404,
      'ResourceNotFoundException',
      'This model version has reached the end of its life.',
      'MODEL_RETIRED',
    ],
    [400, 'ValidationException', 'The provided model identifier is invalid.', 'MODEL_RETIRED'],
    [400, 'ValidationException', 'Invocation with on-demand throughput is not supported', 'MODEL_RETIRED'],
    [400, 'ValidationException', 'Input is too long for requested model.', 'MODEL_REFUSED_REQUEST'],
    [429, 'ThrottlingException', 'Too many tokens, please wait', 'MODEL_BUSY'],
    [429, 'ModelNotReadyException', 'not ready', 'MODEL_BUSY'],
    [400, 'ServiceQuotaExceededException', 'quota', 'MODEL_BUSY'],
    [503, 'ServiceUnavailableException', 'later', 'MODEL_BUSY'],
    [408, 'ModelTimeoutException', 'late', 'MODEL_STALLED'],
    [424, 'ModelErrorException', 'failed', 'MODEL_UNAVAILABLE'],
    [500, 'InternalServerException', 'failed', 'MODEL_UNAVAILABLE'],
    [418, 'TeapotException', 'short and stout', 'MODEL_UNAVAILABLE'],
  ])('%i %s "%s" ends in %s', async (status, kind, says, code) => {
    const { error } = await listen(create(`m?error=${status}&kind=${kind}&says=${says} sk-secret`))
    expect(error).toMatchObject({ code })
    // Of what it said, nothing is kept.
    expect(JSON.stringify([error, (error as AppError).internal])).not.toMatch(/sk-secret|What is the answer/)
  })

  it.each([
    [429, 'MODEL_BUSY'],
    [500, 'MODEL_UNAVAILABLE'],
    [503, 'MODEL_BUSY'],
    [424, 'MODEL_STALLED'],
    [400, 'MODEL_REFUSED_REQUEST'],
    [418, 'MODEL_UNAVAILABLE'],
  ])('an exception of status %i inside the stream ends in %s', async (status, code) => {
    const heard = await listen(create(`m?text=a b c d&error=${status}&at=2`))
    expect(heard).toMatchObject({ text: 'a b', error: { code }, usage: null })
  })
})

describe('who asks Amazon Bedrock', () => {
  // Nothing of the machine that runs the tests.
  beforeEach(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere/credentials')
    vi.stubEnv('AWS_CONFIG_FILE', '/nowhere/config')
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('is in the environment', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKID2')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret of AKID2')
    expect(await listen(createFound('m?text=Yes.'))).toMatchObject({ text: 'Yes.', error: null })
    expect(scripted.requests.at(-1)?.authorization).toContain('Credential=AKID2/')
  })

  it('is the role of the instance', async () => {
    await using role = await startRole()
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined)
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', role.origin)
    role.give(3, 60)
    expect(await listen(createFound('m?text=Yes.'))).toMatchObject({ text: 'Yes.', error: null })
    expect(scripted.requests.at(-1)?.authorization).toContain('Credential=AKID3/')
    expect(role.asked()).toEqual([
      'PUT /latest/api/token',
      'GET /latest/meta-data/iam/security-credentials/',
      'GET /latest/meta-data/iam/security-credentials/terrace-api',
    ])
  })

  it('is a role whose credentials are kept, and asked for again before they expire', async () => {
    await using role = await startRole()
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${role.origin}/role`)
    const model = createFound('m?text=Yes.')
    const asker = async () => {
      expect(await listen(model)).toMatchObject({ text: 'Yes.', error: null })
      return /Credential=(AKID\d)/.exec(scripted.requests.at(-1)?.authorization ?? '')?.[1]
    }
    role.give(1, 60)
    expect([await asker(), await asker()]).toEqual(['AKID1', 'AKID1'])
    expect(role.asked()).toHaveLength(1)

    await using short = await startRole()
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${short.origin}/role`)
    short.give(4, 2)
    const other = createFound('m?text=Yes.')
    expect((await listen(other)).error).toBeNull()
    short.give(5, 60)
    await expect
      .poll(async () => {
        await listen(other)
        return scripted.requests.at(-1)?.authorization
      })
      .toContain('Credential=AKID5/')
  })

  it('asks once more with new credentials when the kept ones have expired all the same, and no third time', async () => {
    await using role = await startRole()
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${role.origin}/role`)
    const model = createFound('m?text=Yes.')
    role.give(1, 60)
    expect((await listen(model)).error).toBeNull()
    expired.add('session of AKID1')
    role.give(2, 60)
    expect(await listen(model)).toMatchObject({ text: 'Yes.', error: null })
    expect(scripted.requests.at(-1)?.authorization).toContain('Credential=AKID2/')
    expired.add('session of AKID2')
    expect((await listen(model)).error).toMatchObject({ code: 'MODEL_REFUSED_KEY' })
    expect(role.asked()).toHaveLength(3)
  })

  it('is nobody when there are no credentials, and the log says what is missing', async () => {
    const before = scripted.requests.length
    const { error } = await listen(createFound('m?text=Yes.'))
    expect(error).toMatchObject({ code: 'MODEL_REFUSED_KEY' })
    expect((error as AppError).internal).toContain('no AWS credentials')
    expect(scripted.requests.length).toBe(before)
  })
})

/** Stands for a container's agent and for the instance's metadata service. */
async function startRole() {
  const asked: string[] = []
  let given = {}
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    if (request.url === '/latest/api/token') response.end('a-token')
    else if (request.url === '/latest/meta-data/iam/security-credentials/') response.end('terrace-api')
    else response.end(JSON.stringify(given))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    origin: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    asked: () => asked,
    give(number: number, minutes: number) {
      given = {
        Code: 'Success',
        AccessKeyId: `AKID${number}`,
        SecretAccessKey: `secret of AKID${number}`,
        Token: `session of AKID${number}`,
        Expiration: new Date(Date.now() + minutes * 60_000).toISOString(),
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
