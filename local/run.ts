// Brings the whole product up, step by step, and takes it down in order: web, ingest, API, PostgreSQL.
// Everything that can be refused is refused first, before anything is started.
import path from 'node:path'
import { clusterFolder, rememberCluster } from './cluster-folder.ts'
import { checkCluster, checkExternal, createDatabase, keeperProgram, settlePrevious } from './database.ts'
import { lockHome, prepareHome, readSecrets } from './home.ts'
import { type LogFile, openLog } from './logs.ts'
import { apiPortUse, checkPort, webPortUse } from './ports.ts'
import { freePort, initialise, isCluster } from './postgres.ts'
import { type Program, type Supervised, supervise } from './program.ts'
import { needsOwner, servicePrograms } from './services.ts'
import { readSettings } from './settings.ts'
import { type SetupResult, setupSteps } from './setup.ts'
import { perform, type Step } from './steps.ts'
import { summary } from './summary.ts'

/** All of it has to be gone within 60 s (DESIGN §10); the first ones leave room for the last. */
const STOP_MS = { web: 10_000, ingest: 20_000, api: 20_000, postgres: 9_000 } as const

export interface Terrace {
  stop(): Promise<void>
  /** Without waiting: the database recovers at the next start. */
  kill(): void
}

/**
 * @param signal ends a start that is under way; what was started is stopped again
 * @throws Problem when a person has to do something first
 */
export async function startTerrace(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Terrace> {
  const settings = readSettings(env)
  prepareHome(settings.home)
  const unlock = lockHome(settings)
  const up: Supervised[] = []
  const logs: LogFile[] = []
  const say = (line: string) => console.error(line)

  const start = async (program: Program) => {
    signal.throwIfAborted()
    const log = openLog(path.join(settings.home, 'logs'), program.name, say)
    logs.push(log)
    const supervised = supervise(program, { log, say })
    up.push(supervised)
    await supervised.started
    signal.throwIfAborted()
  }
  const stopInOrder = async () => {
    for (const name of ['web', 'ingest', 'api', 'postgres'] as const)
      await up.find((program) => program.name === name)?.stop(STOP_MS[name])
    for (const log of logs) log.close()
    unlock()
  }
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= stopInOrder()
    return stopped
  }
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => stop().finally(() => reject(signal.reason)))
  })
  aborted.catch(() => {})

  try {
    const secrets = readSecrets(settings.home)
    const authSecret = env.AUTH_SECRET || secrets.authSecret
    const setupToken = env.SETUP_TOKEN || secrets.setupToken
    await checkPort(webPortUse(settings))
    await checkPort(apiPortUse(settings))
    const { home } = settings
    const dataDir = settings.databaseUrl === undefined ? clusterFolder(home, secrets.postgresPassword) : null
    if (dataDir !== null) checkCluster(dataDir)
    const setup: SetupResult = {}
    let databaseUrl = settings.databaseUrl ?? ''

    const database: Step = {
      title: 'PostgreSQL',
      work: async (task) => {
        if (dataDir === null) {
          await checkExternal(databaseUrl)
          task.title = 'PostgreSQL: the one of DATABASE_URL'
          return
        }
        await settlePrevious(dataDir, () => {
          task.output = 'waiting for the PostgreSQL of an earlier run to finish'
        })
        if (!isCluster(dataDir)) initialise(dataDir, secrets.postgresPassword)
        rememberCluster(home, dataDir)
        const port = await freePort()
        await start(keeperProgram({ dataDir, port, password: secrets.postgresPassword }))
        databaseUrl = await createDatabase(port, secrets.postgresPassword, home)
      },
    }
    const servers: Step = {
      title: 'Servers',
      work: async () => {
        if (setup.modelDir === undefined || setup.webDir === undefined)
          throw new Error('the set-up is not complete')
        const { modelDir, webDir } = setup
        const { api, ingest, web } = servicePrograms({
          settings,
          databaseUrl,
          authSecret,
          setupToken,
          modelDir,
          webDir,
        })
        await all([
          async () => {
            await start(api)
            // The API migrates the database; ingest finds it done.
            await start(ingest)
          },
          () => start(web),
        ])
      },
    }
    const steps: Step[] = [{ title: 'Set-up', together: setupSteps(settings, setup) }, database, servers]
    await Promise.race([perform(steps), aborted])
    const needed = await needsOwner(settings.apiPort)
    console.log(summary({ settings, setup, dataDir, setupToken: needed ? setupToken : null }))
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

/** Waits for all of them even when one fails, so that none of them goes on unwatched; then throws the first error. */
async function all(works: readonly (() => Promise<void>)[]): Promise<void> {
  const results = await Promise.allSettled(works.map((work) => work()))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
