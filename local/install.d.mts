export const ROOT: string
export const NATIVE: string
export class SetupError extends Error {}
export function say(text: string): void
export function checkMachine(): void
export function setupLock(): Promise<() => void>
export function packagesInstalled(): boolean
export function node24(): string | null
export function installPackages(): Promise<boolean>
export interface RunOptions {
  readonly log?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}
export function run(
  command: readonly string[],
  options?: RunOptions,
): Promise<{ readonly code: number; readonly signal: NodeJS.Signals | null; readonly text: string }>
