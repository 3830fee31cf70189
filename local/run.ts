// Brings the whole product up, step by step, and takes it down in order: web, ingest, API, PostgreSQL.
// Everything that can be refused is refused first, before anything is started.
import net from 'node:net'
import path from 'node:path'
import { Listr } from 'listr2'
import { z } from 'zod'
import {
  checkCluster,
  checkExternal,
  clusterFolder,
  createDatabase,
  keeperProgram,
  settlePrevious,
} from './database.ts'
import { lockHome, prepareHome, readSecrets } from './home.ts'
import { openLog } from './logs.ts'
import { freePort } from './postgres.ts'
import { Problem } from './problem.ts'
import { type Program, type Supervised, supervise } from './program.ts'
import { reachableHost, servicePrograms } from './services.ts'
import { readSettings, type Settings } from './settings.ts'
import { type SetupResult, setupTasks } from './setup.ts'
import { summary } from './summary.ts'

/** All of it has to be gone within 60 s (DESIGN §10); the first ones leave room for the last. */
const STOP_MS = { web: 15_000, ingest: 40_000, api: 40_000, postgres: 15_000 } as const

export interface Terrace {
  stop(): Promise<void>
  /** Without waiting: the database recovers at the next start. */
  kill(): void
}

export async function startTerrace(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Terrace> {
  const settings = readSettings(env)
  prepareHome(settings.home)
  const unlock = lockHome(settings)
  const up: Supervised[] = []
  const logs: { close(): void }[] = []
  const say = (line: string) => console.error(line)

  const start = async (program: Program) => {
    const log = openLog(path.join(settings.home, 'logs'), program.name, say)
    logs.push(log)
    const supervised = supervise(program, { log, say })
    up.push(supervised)
    await supervised.started
    signal.throwIfAborted()
  }
  const stop = async () => {
    for (const name of ['web', 'ingest', 'api', 'postgres'] as const)
      await up.find((program) => program.name === name)?.stop(STOP_MS[name])
    for (const log of logs) log.close()
    unlock()
  }

  try {
    const secrets = readSecrets(settings.home)
    await checkPort(settings.host, settings.webPort, 'the page', 'PORT')
    await checkPort('127.0.0.1', settings.apiPort, 'the API', 'API_PORT')
    const dataDir = clusterFolder(settings.home)
    if (settings.databaseUrl === undefined) checkCluster(dataDir)
    const setup: SetupResult = {}
    let databaseUrl = settings.databaseUrl ?? ''

    const tasks = new Listr(
      [
        {
          title: 'Set-up',
          task: (_, task) => task.newListr(setupTasks(settings, setup), { concurrent: true }),
        },
        {
          title: 'PostgreSQL',
          task: async (_, task) => {
            if (settings.databaseUrl !== undefined) {
              await checkExternal(settings.databaseUrl)
              task.title = 'PostgreSQL: the one of DATABASE_URL'
              return
            }
            await settlePrevious(dataDir, () => {
              task.output = 'waiting for the PostgreSQL of an earlier run to finish'
            })
            const port = await freePort()
            await start(keeperProgram({ dataDir, port, password: secrets.postgresPassword }))
            databaseUrl = await createDatabase(port, secrets.postgresPassword, settings.home)
          },
        },
        {
          title: 'Servers',
          task: async () => {
            const programs = servicePrograms({
              settings,
              databaseUrl,
              authSecret: env.AUTH_SECRET || secrets.authSecret,
              setupToken: env.SETUP_TOKEN || secrets.setupToken,
              modelDir: setup.modelDir ?? path.join(settings.home, 'models'),
              webDir: setup.webDir ?? null,
            })
            await start(programs.api)
            await Promise.all([start(programs.ingest), ...(programs.web ? [start(programs.web)] : [])])
          },
        },
      ],
      {
        renderer: 'default',
        fallbackRenderer: 'simple',
        registerSignalListeners: false,
        rendererOptions: { collapseSubtasks: false, collapseErrors: false, showErrorMessage: false },
      },
    )
    signal.throwIfAborted()
    await tasks.run()
    signal.throwIfAborted()
    const token = env.SETUP_TOKEN || secrets.setupToken
    console.log(
      summary({ settings, setup, dataDir, setupToken: (await needsOwner(settings)) ? token : null }),
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    stop,
    kill() {
      for (const program of up) program.kill()
      unlock()
    },
  }
}

/** @throws Problem when something else listens there, or this user may not */
async function checkPort(host: string, port: number, what: string, variable: string): Promise<void> {
  const server = net.createServer()
  const code = await new Promise<string | undefined>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    server.listen({ host, port, exclusive: true }, () => resolve(undefined))
  })
  if (code === undefined) {
    await new Promise((resolve) => server.close(resolve))
    return
  }
  if (code === 'EADDRINUSE')
    throw new Problem(
      `Port ${port}, which ${what} needs, is taken by another program.`,
      `Stop that program, or choose another port: ${variable}=${port + 1} npm start`,
    )
  if (code === 'EACCES')
    throw new Problem(
      `This user may not listen on port ${port}.`,
      `Choose one above 1023: ${variable}=8080 npm start`,
    )
  throw new Problem(
    `${what === 'the page' ? 'The page' : 'The API'} can not listen on ${host}:${port} (${code}).`,
    'HOST has to be an address of this machine: 127.0.0.1 (only this machine) or 0.0.0.0 (everyone who can reach it).',
  )
}

const statusSchema = z.object({
  result: z.object({ data: z.object({ json: z.object({ needsOwner: z.boolean() }) }) }),
})

/** Whether nobody has made the owner's account yet. */
async function needsOwner(settings: Settings): Promise<boolean> {
  const response = await fetch(`http://${reachableHost('127.0.0.1')}:${settings.apiPort}/trpc/setup.status`, {
    signal: AbortSignal.timeout(5_000),
  })
  const parsed = statusSchema.safeParse(await response.json())
  if (!parsed.success) throw new Error(`setup.status answered ${response.status} with something unexpected`)
  return parsed.data.result.data.json.needsOwner
}
