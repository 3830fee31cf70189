// What a bake tells a machine that is to test its own image, instead of the launch data of a server, and what the machine
// then writes to its console before it turns itself off (docs/boot.md).

/** What a tier's image can check alone, without a database, a balancer or anybody else. */
export const BOOT_CHECKS = {
  api: ['image', 'disk', 'clock', 'search', 'units'],
  web: ['image', 'disk', 'clock', 'page', 'units'],
} as const
export type BootCheck = (typeof BOOT_CHECKS)['api' | 'web'][number]

export interface BootTestData {
  readonly bootTest: {
    readonly tier: 'api' | 'web'
    readonly release: string
    /** Names the test: it comes back in the report. */
    readonly id: string
    /** Size of the root's volume. */
    readonly volumeGiB: number
    /** Those to be made; a container has no disk, for example, and no clock of its own. */
    readonly checks: readonly BootCheck[]
  }
}

/** Stands before the report, on one line. */
export const BOOT_REPORT = 'TERRACE BOOT TEST'

export interface BootReport {
  /** Of the launch data. */
  readonly id: string
  /** By the machine's own metadata. */
  readonly instance: string
  /** Of the image. */
  readonly tier: 'api' | 'web'
  readonly release: string
  readonly passed: readonly BootCheck[]
  /** What is wrong, in words; none: the image has passed. */
  readonly findings: readonly string[]
  /** Model of its processor. */
  readonly processor: string
  /** From the kernel's start to this report. */
  readonly seconds: number
}
