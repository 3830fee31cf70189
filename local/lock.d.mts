export interface LockHolder {
  readonly pid: number
  readonly start: string | null
  readonly [note: string]: unknown
}
export type Release = () => void
export function isSameProcess(pid: number, start: string | null): boolean
export function holder(file: string): LockHolder | null
export function tryLock(file: string, note?: Readonly<Record<string, unknown>>): Release | null
export function lock(file: string, waiting?: (holder: LockHolder | null) => void): Promise<Release>
