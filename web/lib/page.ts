// What a page says about itself to _app.
import type { NextPage } from 'next'

export interface PageSettings {
  /** `plain`: no navigation and no session needed (sign-in, set-up, invitation). Default: the shell around it. */
  frame?: 'plain' | 'shell'
}

export type TerracePage<Props = Record<string, never>> = NextPage<Props> & PageSettings
