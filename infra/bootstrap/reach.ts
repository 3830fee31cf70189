// What a right reaches, asked in calls: what a role needs it may, and the same on what is not ours it may not.
import type { Template } from '../cfn.ts'
import { allows, type Call } from './evaluate.ts'
import { arnHere, stateBucket } from './names.ts'
import type { Promised } from './promise.ts'
import { SAMPLE_SETTINGS as SETTINGS } from './sample-settings.ts'

const { account, region } = SETTINGS
export const here = (service: string, resource: string) => arnHere(SETTINGS, service, resource)
export const bucket = (name: string) => `arn:aws:s3:::${name}`
export const state = (key: string) => bucket(`${stateBucket(SETTINGS)}/${key}`)

/** Of our account, in our region. */
export const OF_US = { 'aws:RequestedRegion': region, 'aws:ResourceAccount': account }
export const TAGGED = { ...OF_US, 'aws:ResourceTag/service': 'terrace' }
export const TAGGING = { ...OF_US, 'aws:RequestTag/service': 'terrace' }
/** What is made by such a call, and gets the tag at once. */
export const whileMaking = (action: string) => ({ ...TAGGING, 'ec2:CreateAction': action })
// Their ARNs know no account.
export const image = `arn:aws:ec2:${region}::image/ami-1`
export const snapshot = `arn:aws:ec2:${region}::snapshot/snap-1`
export const call = (action: string, on: string, given: Call['given'] = OF_US): Call => ({
  action,
  on,
  given,
})

export interface Reach {
  readonly holds: string
  readonly of: (template: Template) => readonly unknown[]
  readonly may: readonly Call[]
  readonly mayNot: readonly Call[]
  readonly breaks: Promised['breaks']
  readonly isThere?: (template: Template) => boolean
}
export const reaches = ({ holds, of, may, mayNot, breaks, isThere }: Reach): Promised => ({
  holds,
  wrong: (template) => {
    if (isThere?.(template) === false) return []
    const rights = of(template)
    return [
      ...may.filter((one) => !allows(rights, one)).map(({ action, on }) => `may not ${action} on ${on}`),
      ...mayNot.filter((one) => allows(rights, one)).map(({ action, on }) => `may ${action} on ${on}`),
    ]
  },
  breaks,
})
