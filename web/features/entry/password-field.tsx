import { Eye, EyeOff } from 'lucide-react'
import { useState } from 'react'
import { LIMITS } from '../../../contract/limits.ts'
import { Field } from '../../components/ui/field.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Input } from '../../components/ui/input.tsx'
import { t } from '../../lib/t.ts'

interface Props {
  name: string
  label: string
  /** `new`: a password is being chosen, and the rules are shown. */
  purpose: 'current' | 'new'
  error: string | null
}

/** With a switch to see what one types: phones make typing blind a lottery. */
export function PasswordField({ name, label, purpose, error }: Props) {
  const [visible, setVisible] = useState(false)
  return (
    <Field
      label={label}
      error={error}
      hint={purpose === 'new' ? t('entry.passwordHint', { min: LIMITS.passwordMinLength }) : undefined}
    >
      {(attributes) => (
        <div className="relative">
          <Input
            {...attributes}
            name={name}
            type={visible ? 'text' : 'password'}
            autoComplete={purpose === 'new' ? 'new-password' : 'current-password'}
            autoCapitalize="none"
            spellCheck={false}
            className="pr-11"
          />
          <IconButton
            label={t(visible ? 'entry.hidePassword' : 'entry.showPassword')}
            icon={
              visible ? <EyeOff aria-hidden className="size-4" /> : <Eye aria-hidden className="size-4" />
            }
            size="small"
            tooltip={false}
            onClick={() => setVisible(!visible)}
            className="absolute top-1 right-1"
          />
        </div>
      )}
    </Field>
  )
}
