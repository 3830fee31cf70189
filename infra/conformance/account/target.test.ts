import { expect, test } from 'vitest'
import { openTarget } from './target.ts'

test.for([
  { AWS_ENDPOINT_URL: 'https://cloudformation.eu-west-1.amazonaws.com' },
  { AWS_ENDPOINT_URL: 'https://aws.example.com' },
  { AWS_ENDPOINT_URL: 'http://127.0.0.1.example.com:4566' },
  { AWS_ENDPOINT_URL: 'http://10.0.0.4:4566' },
  { AWS_ENDPOINT_URL: 'ministack' },
])('$AWS_ENDPOINT_URL may be somebody’s account, and none is named', async (env) => {
  await expect(openTarget(env)).rejects.toThrow(/TERRACE_TEST_ACCOUNT/)
})

test('what is on this machine gets credentials that no account has', async () => {
  await using target = await openTarget({
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_ACCESS_KEY_ID: 'AKIAREAL',
    AWS_SECRET_ACCESS_KEY: 'real',
  })
  expect(target).toMatchObject({ kind: 'other', endpoint: 'http://127.0.0.1:9', account: undefined })
  expect(target.env).toEqual({
    AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  })
})

test('a real account is one that is named, whatever the address', async () => {
  await using target = await openTarget({ TERRACE_TEST_ACCOUNT: '444455556666' })
  expect(target).toMatchObject({ kind: 'account', account: '444455556666', env: {} })
  await expect(openTarget({ TERRACE_TEST_ACCOUNT: 'mine' })).rejects.toThrow('12 digits')
})
