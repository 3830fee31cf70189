// For tests: a server that does nothing but fill, to be killed. Its arguments: the database's address.
import { pino } from 'pino'
import { Filler } from '../src/index/words/fill.ts'

const [databaseUrl = ''] = process.argv.slice(2)
const config = { databaseUrl, databaseCa: undefined, databaseAuth: { kind: 'password' } } as const
new Filler({ config, log: pino({ level: 'silent' }), pollMs: 20 }).start()
