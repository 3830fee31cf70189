// `npm run models`: fetches the embedder's weights, whatever happened before. A running Terrace sees them at its next start.
import { prepareHome } from '../home.ts'
import { explain } from '../problem.ts'
import { readSettings } from '../settings.ts'
import { prepareWeights } from './prepare.ts'

try {
  const { home } = readSettings(process.env)
  prepareHome(home)
  const result = await prepareWeights(home, (line) => console.log(`  ${line}`), true)
  console.log(`Search: ${result.sentence}`)
  if (result.complete) console.log(`Weights: ${result.modelDir}\nStart Terrace again to use them.`)
  process.exit(result.complete ? 0 : 1)
} catch (error) {
  console.error(explain(error))
  process.exit(1)
}
