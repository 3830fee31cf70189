import { File, FileCode, FileSpreadsheet, FileText, FileType } from 'lucide-react'

/** Told apart by shape; the name beside it carries the type in words. */
export function DocumentIcon({ filename }: { filename: string }) {
  const type = filename.slice(filename.lastIndexOf('.') + 1).toLowerCase()
  const Icon = ICONS[type] ?? File
  return (
    <span className="flex size-9 shrink-0 items-center justify-center rounded-lg bg-sunken text-ink-soft">
      <Icon aria-hidden className="size-4.5" />
    </span>
  )
}

const ICONS: Record<string, typeof File> = {
  pdf: FileText,
  docx: FileType,
  md: FileText,
  markdown: FileText,
  txt: FileText,
  html: FileCode,
  htm: FileCode,
  csv: FileSpreadsheet,
}
