import { router } from '../trpc.ts'
import { build } from './build-generation.ts'
import { list } from './list-generations.ts'
import { remove } from './remove-generation.ts'
import { switchTo } from './switch-generation.ts'

export const generationsRouter = router({ build, list, remove, switchTo })
