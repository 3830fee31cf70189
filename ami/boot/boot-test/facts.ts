// What a machine that boots an image has to be like, wherever it boots: asked by the image itself on EC2, and from outside in
// a virtual machine (ami/bake/machine-report.ts).

const GIB = 2 ** 30

export interface MachineFacts {
  readonly rootBytes: number
  /** File system and options of /opt/terrace, as `findmnt -no FSTYPE,OPTIONS` says them. */
  readonly application: string
  readonly failedUnits: readonly string[]
  /** `MemoryMax` of its server in bytes; NaN: none. */
  readonly memoryMax: number
}

/** @returns what is wrong, in words. @param volumeGiB that it was booted on */
export const wrongOfDisk = (
  { rootBytes, application }: Pick<MachineFacts, 'rootBytes' | 'application'>,
  volumeGiB: number,
): string[] => [
  ...(rootBytes > (volumeGiB - 1) * GIB
    ? []
    : [`its root has not grown over the volume: ${rootBytes} bytes`]),
  ...(/^erofs +ro,/.test(application)
    ? []
    : [`the application is not on its read-only partition: ${application}`]),
]

/** @returns what is wrong, in words */
export const wrongOfUnits = ({
  failedUnits,
  memoryMax,
}: Pick<MachineFacts, 'failedUnits' | 'memoryMax'>): string[] => [
  ...failedUnits.map((unit) => `${unit} has failed`),
  ...(memoryMax > 0 ? [] : ['its server has no memory limit']),
]
