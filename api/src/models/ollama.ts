// Finds a running Ollama on this machine, in local mode only. What it found is kept for a few seconds: the model
// selector asks often, and models come and go while someone pulls them.
import type { Outbound } from './outbound.ts'

export const OLLAMA_ORIGIN = 'http://127.0.0.1:11434'

/** Ollama's own default window for a request that does not set one; its OpenAI-compatible door can't. */
export const OLLAMA_CONTEXT_TOKENS = 4_096

export interface OllamaModel {
  /** `ollama/llama3.2:3b`: lower-case, usable in an address. */
  readonly id: string
  /** As Ollama calls it. */
  readonly model: string
}

export interface Ollama {
  /** Its chat models by name; none when it does not run. */
  models(): Promise<readonly OllamaModel[]>
}

const FRESH_MS = 5_000
const TIMEOUT_MS = 500

export function createOllama(outbound: Outbound, origin: string): Ollama {
  let known: readonly OllamaModel[] = []
  let at = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined
  const ask = async () => {
    known = await list(outbound, origin).catch(() => [])
    at = performance.now()
    asking = undefined
  }
  return {
    async models() {
      if (performance.now() - at > FRESH_MS) {
        asking ??= ask()
        await asking
      }
      return known
    },
  }
}

async function list(outbound: Outbound, origin: string): Promise<OllamaModel[]> {
  const { status, body } = await outbound.request(`${origin}/api/tags`, {
    method: 'GET',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  const reply = (await body.json()) as {
    models?: { name?: unknown; details?: { family?: unknown } }[]
  }
  if (status !== 200 || !Array.isArray(reply.models)) return []
  return reply.models
    .flatMap(({ name, details }) => {
      // Embedders answer no questions; Ollama lists them with the others.
      const isEmbedder = /bert/.test(String(details?.family)) || /embed/.test(String(name))
      return typeof name !== 'string' || isEmbedder ? [] : [{ id: idOf(name), model: name }]
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function idOf(name: string): string {
  return `ollama/${name.toLowerCase().replace(/[^a-z0-9._:/-]/g, '-')}`
}
