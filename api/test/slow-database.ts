// A way to PostgreSQL that can be held up: what a server looks like whose connection is slow while all others' are not.
import net from 'node:net'

export interface SlowDatabase extends AsyncDisposable {
  readonly url: string
  /** From now on nothing gets through, in either direction. */
  hold(): void
  release(): void
}

export async function slowDatabase(url: string): Promise<SlowDatabase> {
  const to = new URL(url)
  const pairs = new Set<readonly [net.Socket, net.Socket]>()
  let held = false
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(to.port), to.hostname)
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const [from, into] of [pair, [upstream, client] as const]) {
      from.pipe(into)
      if (held) from.pause()
      from.on('error', () => into.destroy())
      from.on('close', () => {
        pairs.delete(pair)
        into.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(typeof address === 'object' && address !== null ? address.port : 0)
  return {
    url: through.href,
    hold() {
      if (held) return
      held = true
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream).pause()
        upstream.unpipe(client).pause()
      }
    },
    release() {
      // Two pipes between the same two would say everything twice.
      if (!held) return
      held = false
      for (const [client, upstream] of pairs) {
        client.pipe(upstream)
        upstream.pipe(client)
      }
    },
    async [Symbol.asyncDispose]() {
      for (const [client, upstream] of pairs) {
        client.destroy()
        upstream.destroy()
      }
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
