import { FileUp } from 'lucide-react'
import type { ReactNode } from 'react'
import { t } from '../../lib/t.ts'
import { useFileDrop } from '../uploads/use-file-drop.ts'

/** Takes files that are dropped anywhere on it, and says so while they hover. */
export function DropZone({ onFiles, children }: { onFiles: (files: File[]) => void; children: ReactNode }) {
  const { over, handlers } = useFileDrop(onFiles)
  return (
    <div className="relative flex h-full min-w-0 flex-1 flex-col" {...handlers}>
      {children}
      {over && (
        <div className="pointer-events-none absolute inset-2 z-20 flex flex-col items-center justify-center gap-2 rounded-2xl border-2 border-dashed border-accent bg-accent-soft/95 text-center text-accent">
          <FileUp aria-hidden className="size-8" />
          <p className="font-semibold">{t('chat.dropHere')}</p>
          <p className="px-4 text-sm">{t('chat.dropHint')}</p>
        </div>
      )}
    </div>
  )
}
