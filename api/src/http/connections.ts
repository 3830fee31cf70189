import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Keeps count of a server's connections, to close those without a request under way when the server stops. Node's own
 * closeIdleConnections leaves out the ones on which nothing was ever sent: browsers and balancers open such in advance.
 */
export function trackConnections(server: Server): { closeQuiet(): void } {
  const underWay = new Map<Socket, number>()
  let closing = false
  server.on('connection', (socket) => {
    underWay.set(socket, 0)
    socket.once('close', () => underWay.delete(socket))
  })
  server.on('request', (request, response) => {
    const { socket } = request
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const left = (underWay.get(socket) ?? 1) - 1
      if (!underWay.has(socket)) return
      underWay.set(socket, left)
      if (closing && left === 0) socket.destroySoon()
    })
  })
  return {
    closeQuiet() {
      closing = true
      for (const [socket, requests] of underWay) if (requests === 0) socket.destroy()
    },
  }
}
