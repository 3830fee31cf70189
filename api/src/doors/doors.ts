// Other ways in, for programs: an OpenAI-compatible API (/v1) and an MCP endpoint (/mcp), both by API keys.
// A door translates: a request becomes a question or a search in the name of the key's person, through the same rooms
// that the pages use. It has no rules of its own about who may see what.
import type { FastifyInstance } from 'fastify'
import { API_PATHS } from '../../../contract/ports.ts'
import { createGuard, type DoorDependencies } from './guard.ts'
import { registerMcp } from './mcp.ts'
import { registerOpenAI } from './openai.ts'
import { createRunning } from './running.ts'

export function registerDoors(server: FastifyInstance, deps: DoorDependencies): void {
  const guard = createGuard(deps)
  const running = createRunning(deps.services)
  server.addHook('onClose', async () => running.stop())
  server.register(async (scope) => registerOpenAI(scope, { ...deps, guard, running }), {
    prefix: API_PATHS.v1,
  })
  server.register(async (scope) => registerMcp(scope, { ...deps, guard, running }), { prefix: API_PATHS.mcp })
}
