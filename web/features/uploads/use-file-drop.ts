import { type DragEvent, useRef, useState } from 'react'
import { droppedFiles } from './dropped-files.ts'

const hasFiles = (event: DragEvent): boolean => event.dataTransfer.types.includes('Files')

/**
 * Makes an element take dropped files. Spread `handlers` on it; `over` is true while files hover above it.
 * Entering a child leaves the parent in the eyes of the browser, so the depth is counted.
 */
export function useFileDrop(onFiles: (files: File[]) => void, enabled = true) {
  const depth = useRef(0)
  const [over, setOver] = useState(false)
  const reset = () => {
    depth.current = 0
    setOver(false)
  }
  const handlers = {
    onDragEnter: (event: DragEvent) => {
      if (!enabled || !hasFiles(event)) return
      event.preventDefault()
      depth.current += 1
      setOver(true)
    },
    onDragOver: (event: DragEvent) => {
      if (!hasFiles(event)) return
      // Without this the browser would open the file in place of the page.
      event.preventDefault()
      event.dataTransfer.dropEffect = enabled ? 'copy' : 'none'
    },
    onDragLeave: (event: DragEvent) => {
      if (!enabled || !hasFiles(event)) return
      depth.current -= 1
      if (depth.current <= 0) reset()
    },
    onDrop: (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      reset()
      if (!enabled) return
      void droppedFiles(event.dataTransfer).then((files) => {
        if (files.length > 0) onFiles(files)
      })
    },
  }
  return { over, handlers }
}
