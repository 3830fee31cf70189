import { expect, test } from 'vitest'
import { readSettings } from './settings.ts'
import { summary } from './summary.ts'

function printed(env: NodeJS.ProcessEnv, setupToken: string | null = null): string {
  const dataDir = env.DATABASE_URL === undefined ? '/data/postgres' : null
  return summary({ settings: readSettings(env), setup: {}, dataDir, setupToken })
}

test('the set-up link is shown only while there is no owner', () => {
  expect(printed({}, 'token-of-set-up')).toContain('http://localhost:3000/setup?token=token-of-set-up')
  expect(printed({})).not.toContain('/setup')
})

test('a page that others can reach, but only under a name nobody told it, says so', () => {
  expect(printed({})).not.toContain('Others')
  expect(printed({ HOST: '0.0.0.0' })).toMatch(/Others .*PUBLIC_URL=http:\/\/THIS-MACHINE:3000/)
  expect(printed({ HOST: '0.0.0.0', PUBLIC_URL: 'https://terrace.test' })).not.toContain('Others')
})

test('where the data lies, and whose PostgreSQL it is', () => {
  expect(printed({ TERRACE_HOME: '/data' })).toMatch(/Data +\/data\n/)
  expect(printed({ TERRACE_HOME: '/data' })).not.toContain('Database')
  expect(printed({ TERRACE_HOME: '/closed/data' })).toMatch(/Database +\/data\/postgres\n/)
  expect(printed({ DATABASE_URL: 'postgresql://x' })).toMatch(/Database +the PostgreSQL of DATABASE_URL/)
})
