// What the image's own programs say: JSON lines as the servers write them, which go to the journal, from there to the
// log group, and to the console, where they are read of a server that nobody can reach.
export interface Journal {
  info(msg: string): void
  warn(msg: string): void
  error(msg: string): void
}

/** @param name of the program: `configure` */
export function createJournal(
  name: string,
  write: (line: string) => void = (line) => process.stdout.write(line),
): Journal {
  const say = (level: number) => (msg: string) =>
    write(`${JSON.stringify({ level, time: new Date().toISOString(), name, msg })}\n`)
  return { info: say(30), warn: say(40), error: say(50) }
}

/** Says what is new only: what is asked after every second would fill the journal with one sentence. */
export function onlyNews(say: (msg: string) => void): (msg: string | undefined) => void {
  let last: string | undefined
  return (msg) => {
    if (msg !== undefined && msg !== last) say(msg)
    last = msg
  }
}
