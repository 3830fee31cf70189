// What was dropped on the page, folders opened. The browser hands out the entries only while the event is handled,
// so they are taken before the first wait.

/** Files that operating systems put into every folder. */
const isClutter = (name: string): boolean =>
  name.startsWith('.') || name === 'Thumbs.db' || name === 'desktop.ini'

export async function droppedFiles(transfer: DataTransfer): Promise<File[]> {
  const roots = [...transfer.items].map((item) => ({
    entry: item.kind === 'file' ? item.webkitGetAsEntry() : null,
    file: item.kind === 'file' ? item.getAsFile() : null,
  }))
  const files: File[] = []
  for (const { entry, file } of roots) {
    if (entry !== null) await collect(entry, files)
    else if (file !== null) files.push(file)
  }
  return files
}

/** From an <input type="file">, a whole folder included. */
export const chosenFiles = (list: FileList | null): File[] =>
  [...(list ?? [])].filter(({ name }) => !isClutter(name))

async function collect(entry: FileSystemEntry, files: File[]): Promise<void> {
  if (isClutter(entry.name)) return
  if (isFile(entry)) {
    files.push(await new Promise<File>((resolve, reject) => entry.file(resolve, reject)))
    return
  }
  if (!isDirectory(entry)) return
  const reader = entry.createReader()
  // A reader hands out a hundred entries at a time, and an empty list at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    )
    if (some.length === 0) return
    for (const each of some) await collect(each, files)
  }
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile
const isDirectory = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory
