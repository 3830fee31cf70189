// A port of this machine that leads somewhere else: for containers to what listens on 127.0.0.1, and back.
import net from 'node:net'

export interface Forward extends AsyncDisposable {
  readonly port: number
  /** Where connections made from now on go. */
  to(host: string, port: number): void
}

/** @param listen the address to take connections at; the port is a free one */
export async function forward(listen: string): Promise<Forward> {
  let target: { host: string; port: number } | undefined
  const open = new Set<net.Socket>()
  const server = net.createServer((from) => {
    if (target === undefined) return void from.destroy()
    const onwards = net.connect(target)
    for (const [one, other] of [
      [from, onwards],
      [onwards, from],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy()).on('close', () => open.delete(one))
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, listen, resolve))
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    to(host, port) {
      target = { host, port }
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
