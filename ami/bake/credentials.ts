// What a virtual machine under test is told, by systemd credentials that the firmware hands over: its disk is not touched.
import { randomBytes } from 'node:crypto'
import { PORTS } from '../../contract/ports.ts'

/** In place of the image's own: it has nobody to ask in a bake. */
const CONFIGURE = `[Unit]
Description=Environment of the boot test, in place of terrace-configure
[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory=terrace
LoadCredential=test.environment
ExecStart=/usr/bin/install --mode=600 %d/test.environment /run/terrace/environment
`

export const configureByCredentials = (environment: Readonly<Record<string, string>>) => ({
  'systemd.extra-unit.terrace-configure.service': CONFIGURE,
  'test.environment': Object.entries(environment)
    .map(([name, value]) => `${name}=${value}\n`)
    .join(''),
})

/** Of an API server that makes its own tables, keeps documents on its disk, and has no owner yet. */
export const apiEnvironment = (of: {
  readonly url: string
  readonly setupToken: string
  readonly databaseUrl: string
}) => ({
  HOST: '0.0.0.0',
  PORT: String(PORTS.api),
  PUBLIC_URL: of.url,
  TRUSTED_PROXY_HOPS: '1',
  DATABASE_URL: of.databaseUrl,
  MIGRATE_AT_START: '1',
  STORAGE: 'file:/var/lib/terrace/storage',
  AUTH_SECRET: randomBytes(32).toString('hex'),
  SETUP_TOKEN: of.setupToken,
})
