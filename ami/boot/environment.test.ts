// Which value a variable has when several places give it one, and how the database's address is made.
import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { assemble } from './environment.ts'
import { DOCUMENT, launchData } from './test/world.ts'

const image = { tier: 'api', release: 'image', madeAt: '2026-11-28T09:00:00Z' } as const
const document = (variables: object = DOCUMENT) => ({ environment: JSON.stringify(variables) })
const account = (username: string, password: string) => ({
  DATABASE_URL: JSON.stringify({ username, password, host: 'other.example.com', port: 1 }),
})
const put = (
  parameters: Record<string, string>,
  secrets: Record<string, string> = {},
  environment: Record<string, string> = {},
) => assemble(launchData({ environment }), image, { parameters, secrets })

describe('what wins', () => {
  test('the operator’s parameter, then the secret, the launch template, the stack’s document, the image', () => {
    const places = [
      document({ A: 'document', TERRACE_RELEASE: 'document' }),
      { A: 'secret' },
      { A: 'launch', TERRACE_RELEASE: 'launch' },
    ] as const
    expect(put({ ...places[0], A: 'operator' }, places[1], places[2]).variables.A).toBe('operator')
    expect(put(places[0], places[1], places[2]).variables.A).toBe('secret')
    expect(put(places[0], {}, places[2]).variables.A).toBe('launch')
    expect(put(places[0]).variables.A).toBe('document')
    expect(put(places[0], {}, places[2]).variables.TERRACE_RELEASE).toBe('launch')
    expect(put(document({})).variables).toEqual({
      TERRACE_RELEASE: 'image',
      TERRACE_IMAGE_MADE_AT: '2026-11-28T09:00:00Z',
    })
  })

  test('the operator’s DATABASE_URL is taken as it is', () => {
    const own = 'postgresql://me:pw@elsewhere/db'
    const { variables } = put({ ...document(), DATABASE_URL: own }, account('terrace', 'secret'))
    expect(variables.DATABASE_URL).toBe(own)
  })

  test('parameters that are no variables are named, and passed over', () => {
    const made = put({ ...document({}), 'MODELS.json': '[]', '2nd': 'x', MODELS: '[]' })
    expect(made.unused).toEqual(['2nd', 'MODELS.json'])
    expect(made.variables).toMatchObject({ MODELS: '[]' })
    expect(Object.keys(made.variables)).not.toContain('MODELS.json')
  })
})

describe('the database’s address', () => {
  test('gets the secret’s user and password, and keeps the rest', () => {
    const stack = { DATABASE_URL: 'postgresql://db.example.com:5432/terrace?application_name=a%20b' }
    expect(put(document(stack), account('owner', 'p w')).variables.DATABASE_URL).toBe(
      'postgresql://owner:p%20w@db.example.com:5432/terrace?application_name=a%20b',
    )
    const named = { DATABASE_URL: 'postgresql://app@db.example.com:5432/terrace' }
    expect(put(document(named), account('owner', 'x')).variables.DATABASE_URL).toContain('//owner:x@')
  })

  test('whatever the password is made of', () => {
    const text = fc.string({ unit: fc.constantFrom(...'aZ0 %/:@?#[]&=+$"\'\\`~{}|^é日🏔%4'), minLength: 1 })
    fc.assert(
      fc.property(text, text, (user, password) => {
        const { variables } = put(document(), account(user, password))
        const client = new pg.Client({ connectionString: variables.DATABASE_URL })
        expect([client.user, client.password, client.host, client.port, client.database]).toEqual([
          ...[user, password, 'db.example.com', 5432, 'terrace'],
        ])
      }),
      { numRuns: 1_000 },
    )
  })

  test('the replica’s gets them too, unless it names somebody', () => {
    const stack = (replica: string) => ({
      DATABASE_URL: 'postgresql://db.example.com:5432/terrace',
      DATABASE_REPLICA_URL: replica,
    })
    const replica = (address: string) =>
      put(document(stack(address)), account('owner', 'x')).variables.DATABASE_REPLICA_URL
    expect(replica('postgresql://replica:5432/terrace')).toBe('postgresql://owner:x@replica:5432/terrace')
    expect(replica('postgresql://reader@replica:5432/terrace')).toBe(
      'postgresql://reader@replica:5432/terrace',
    )
  })
})

test.each([
  ['no document', () => put({ MODELS: '[]' }), 'There is no parameter /terrace/prod/api/environment'],
  ['a document that is none', () => put({ environment: 'hunter2' }), 'is no JSON object of variables'],
  ['a document of numbers', () => put(document({ PORT: 4000 })), 'is no JSON object of variables'],
  [
    'a secret that is no account',
    () => put(document(), { DATABASE_URL: 'hunter2' }),
    'no JSON with `username`',
  ],
  [
    'an account without a password',
    () => put(document(), { DATABASE_URL: '{"username":"hunter2"}' }),
    'no JSON with `username` and `password`',
  ],
  [
    'an account without an address',
    () => put(document({}), account('a', 'hunter2')),
    'no DATABASE_URL to put it into',
  ],
  [
    'an address that is none',
    () => put(document({ DATABASE_URL: 'hunter2' }), account('a', 'b')),
    'DATABASE_URL is no address',
  ],
])('%s is a sentence, without a value', (_, make, sentence) => {
  expect(make).toThrow(sentence)
  expect(make).not.toThrow('hunter2')
})
