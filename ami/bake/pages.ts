// The pages that a bake makes, and those of the set before it, on this machine.
import path from 'node:path'
import { Problem } from '../../local/problem.ts'
import { webBuildId } from '../../local/web-build.ts'
import { packStatic, type StaticFiles, unpackStatic } from '../image-set/static-files.ts'
import { kept } from '../local/kept.ts'
import { webBuild } from '../local/parts.ts'

export interface Pages {
  /** What the build of this checkout is called. */
  build(): string
  /**
   * Its own static files; built if need be.
   * @throws Problem when it is not `build` any more
   */
  files(build: string, report: (line: string) => void): Promise<StaticFiles>
  /** @returns the folder in which those of another set lie from now on */
  keep(files: StaticFiles): Promise<string>
}

export const pagesHere: Pages = {
  build: webBuildId,
  async files(build, report) {
    const { dir } = await webBuild(report)
    if (path.basename(dir) !== build)
      throw new Problem('The pages’ sources changed while images were made of them.', 'Bake again.')
    return packStatic(path.join(dir, 'web/.next/static'))
  },
  async keep(files) {
    const { dir } = await kept('previous', files.sha256.slice(0, 16), async (place) =>
      unpackStatic(files, place),
    )
    return dir
  },
}
