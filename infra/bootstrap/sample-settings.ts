// Settings for tests: nobody has this account.
import type { Settings } from './settings.ts'

export const SAMPLE_SETTINGS: Settings = {
  account: '111122223333',
  region: 'eu-west-1',
  alertEmail: 'operators@example.com',
  budget: 500,
  zones: ['euw1-az1', 'euw1-az2'],
  ci: 'acme/terrace',
}
