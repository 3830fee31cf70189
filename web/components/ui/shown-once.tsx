import { t } from '../../lib/t.ts'
import { Button } from './button.tsx'
import { CopyButton } from './copy-button.tsx'
import { DialogActions } from './dialog.tsx'
import { Field } from './field.tsx'
import { Input } from './input.tsx'

interface Props {
  label: string
  value: string
  copyLabel: string
  onClose: () => void
}

/** In a dialog: a text that can't be shown again, to be copied. */
export function ShownOnce({ label, value, copyLabel, onClose }: Props) {
  return (
    <>
      <Field label={label}>
        {(attributes) => (
          <Input
            {...attributes}
            readOnly
            autoFocus
            value={value}
            onFocus={(event) => event.currentTarget.select()}
            className="font-mono text-sm"
          />
        )}
      </Field>
      <DialogActions>
        <CopyButton text={value} label={copyLabel} />
        <Button size="small" kind="primary" onClick={onClose}>
          {t('action.close')}
        </Button>
      </DialogActions>
    </>
  )
}
