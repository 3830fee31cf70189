// Loaded into a server before its own program (`node --import`): tells systemd when it is ready and that it is alive.
// From inside, because then the watchdog watches what it is there for: an event loop that is stuck says nothing.
// Node knows no datagram sockets of the file system, so `systemd-notify` speaks for it; a few milliseconds each time.
import { spawn } from 'node:child_process'
import http from 'node:http'
import { isMainThread } from 'node:worker_threads'

const { NOTIFY_SOCKET, SYSTEMD_EXEC_PID, WATCHDOG_USEC, TERRACE_READY_URL } = process.env
/** How often a server that starts is asked whether it is ready. */
const ASK_MS = 200
/** An answer that takes longer is none. */
const PATIENCE_MS = 10_000

// Children and threads inherit what is loaded first; only the unit's own process speaks.
if (NOTIFY_SOCKET !== undefined && isMainThread && SYSTEMD_EXEC_PID === String(process.pid)) {
  if (TERRACE_READY_URL === undefined) tell('READY=1')
  else announce(TERRACE_READY_URL)
  if (WATCHDOG_USEC !== undefined) live(Number(WATCHDOG_USEC) / 1000)
}

/** READY=1 with the first 200; until then, why not, for `systemctl status`. */
function announce(url: string): void {
  let said = ''
  const ask = async () => {
    const { status, text } = await get(url)
    if (status === 200) return tell('READY=1', 'STATUS=ready')
    const why = reasons(text)
    if (why !== said) tell(`STATUS=${why}`)
    said = why
    setTimeout(ask, ASK_MS).unref()
  }
  setTimeout(ask, ASK_MS).unref()
}

/** @param within milliseconds after which systemd takes the process for stuck */
function live(within: number): void {
  const alive = TERRACE_READY_URL?.replace(/readyz$/, 'healthz')
  const beat = async () => {
    // Not yet listening is no reason: what starts is limited otherwise.
    if (alive === undefined || (await get(alive)).status !== 0) tell('WATCHDOG=1')
  }
  setInterval(beat, within / 3).unref()
}

function tell(...lines: string[]): void {
  const child = spawn('systemd-notify', lines, { stdio: 'ignore' })
  child.on('error', (error) => process.stderr.write(`systemd-notify can not be started: ${error.message}\n`))
  child.unref()
}

/** Status 0: no answer. */
function get(url: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const none = () => resolve({ status: 0, text: '' })
    const request = http.get(url, { agent: false, timeout: PATIENCE_MS }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', none)
    })
    request.on('error', none).on('timeout', () => request.destroy())
  })
}

function reasons(text: string): string {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && 'reasons' in body && Array.isArray(body.reasons))
      return `not ready: ${body.reasons.join(', ').replaceAll('\n', ' ') || 'no reason given'}`
  } catch {
    // no body, or not ours
  }
  return 'starting'
}
