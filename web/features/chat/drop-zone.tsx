import { FileUp } from 'lucide-react'
import { type DragEvent, type ReactNode, useRef, useState } from 'react'
import { t } from '../../lib/t.ts'

/** Takes files that are dropped anywhere on it, and says so while they hover. */
export function DropZone({ onFiles, children }: { onFiles: (files: File[]) => void; children: ReactNode }) {
  const [hovering, setHovering] = useState(false)
  // Every element inside sends its own enter and leave.
  const depth = useRef(0)
  const carriesFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files')
  const leave = () => {
    depth.current = 0
    setHovering(false)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the composer's button does the same for the keyboard
    <div
      className="relative flex h-full min-w-0 flex-1 flex-col"
      onDragEnter={(event) => {
        if (!carriesFiles(event)) return
        depth.current += 1
        setHovering(true)
      }}
      onDragLeave={(event) => {
        if (!carriesFiles(event)) return
        depth.current -= 1
        if (depth.current <= 0) leave()
      }}
      onDragOver={(event) => {
        if (carriesFiles(event)) event.preventDefault()
      }}
      onDrop={(event) => {
        if (!carriesFiles(event)) return
        event.preventDefault()
        leave()
        const files = [...event.dataTransfer.files]
        if (files.length > 0) onFiles(files)
      }}
    >
      {children}
      {hovering && (
        <div className="pointer-events-none absolute inset-2 z-20 flex flex-col items-center justify-center gap-2 rounded-2xl border-2 border-dashed border-accent bg-accent-soft/95 text-center text-accent">
          <FileUp aria-hidden className="size-8" />
          <p className="font-semibold">{t('chat.dropHere')}</p>
          <p className="px-4 text-sm">{t('chat.dropHint')}</p>
        </div>
      )}
    </div>
  )
}
