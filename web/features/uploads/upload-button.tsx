import { FileUp, FolderUp, Upload as UploadIcon } from 'lucide-react'
import { useRef } from 'react'
import { Button, type ButtonKind } from '../../components/ui/button.tsx'
import { Menu, MenuItem } from '../../components/ui/menu.tsx'
import { t } from '../../lib/t.ts'
import { chosenFiles } from './dropped-files.ts'

/** Opens the system's dialog: for files, or for a whole folder. */
export function UploadButton({
  kind = 'primary',
  onFiles,
}: {
  kind?: ButtonKind
  onFiles: (files: File[]) => void
}) {
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const take = (input: HTMLInputElement) => {
    const chosen = chosenFiles(input.files)
    // The same files may be chosen again.
    input.value = ''
    if (chosen.length > 0) onFiles(chosen)
  }
  return (
    <>
      <Menu
        trigger={
          <Button kind={kind} icon={<UploadIcon aria-hidden className="size-4" />}>
            {t('upload.action')}
          </Button>
        }
      >
        <MenuItem icon={<FileUp aria-hidden className="size-4" />} onSelect={() => files.current?.click()}>
          {t('upload.files')}
        </MenuItem>
        <MenuItem icon={<FolderUp aria-hidden className="size-4" />} onSelect={() => folder.current?.click()}>
          {t('upload.folder')}
        </MenuItem>
      </Menu>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label={t('upload.files')}
        onChange={(event) => take(event.currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        hidden
        aria-label={t('upload.folder')}
        {...{ webkitdirectory: '' }}
        onChange={(event) => take(event.currentTarget)}
      />
    </>
  )
}
