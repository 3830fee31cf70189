// What a virtual machine under test is told, by systemd credentials that the firmware hands over: its disk is not touched.
import { apiSettings } from '../local/boot-test/installation.ts'

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

/** What an API server of a boot test is told, with who signs in at its database put into the address. */
export function apiEnvironment(of: Parameters<typeof apiSettings>[0]): Readonly<Record<string, string>> {
  const { document, operators, secrets } = apiSettings(of)
  return {
    ...document,
    ...operators,
    ...secrets,
    DATABASE_URL: `postgresql://postgres:test@${of.database}/terrace`,
  }
}
