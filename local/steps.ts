// The steps of a start as people see them: a living list on a terminal, one line a step elsewhere.
import { Listr, type ListrTask } from 'listr2'

export interface Progress {
  title: string
  output: string
}

export type Step =
  | { readonly title: string; work(progress: Progress): Promise<void> }
  /** All at once. */
  | { readonly title: string; readonly together: readonly Step[] }

/** Runs the steps one after the other. @throws the first error, as it was; later steps are not begun */
export async function perform(steps: readonly Step[]): Promise<void> {
  const failures: unknown[] = []
  const task = (step: Step): ListrTask => ({
    title: step.title,
    task: async (_, progress) => {
      if ('together' in step) return progress.newListr(step.together.map(task), { concurrent: true })
      try {
        await step.work(progress)
      } catch (error) {
        failures.push(error)
        // The list shows where it failed; what is to be said about it is said once, below.
        throw new Error('see below')
      }
    },
  })
  const list = new Listr(steps.map(task), {
    renderer: 'default',
    fallbackRenderer: 'simple',
    // A terminal that does not know its width (0 columns) would get one letter a line.
    fallbackRendererCondition: () => !process.stdout.columns,
    registerSignalListeners: false,
    rendererOptions: { collapseSubtasks: false, showErrorMessage: false },
  })
  try {
    await list.run()
  } catch (error) {
    throw failures[0] ?? error
  }
}
