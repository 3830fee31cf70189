import { useRouter } from 'next/router'
import { type FormEvent, useState } from 'react'
import { LIMITS } from '../../../contract/limits.ts'
import { Button } from '../../components/ui/button.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input } from '../../components/ui/input.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'

interface Props {
  chat: { readonly id: string; readonly title: string }
  open: boolean
  onClose: () => void
}

export function RenameChatDialog({ chat, open, onClose }: Props) {
  return (
    <Dialog open={open} onClose={onClose} title={t('chats.renameTitle')} closeLabel={t('action.close')}>
      <RenameForm chat={chat} onClose={onClose} />
    </Dialog>
  )
}

function RenameForm({ chat, onClose }: Omit<Props, 'open'>) {
  const [title, setTitle] = useState(chat.title)
  const utils = trpc.useUtils()
  const rename = trpc.chats.rename.useMutation({
    onSuccess() {
      utils.chats.get.setData({ id: chat.id }, (known) => known && { ...known, title: title.trim() })
      void utils.chats.list.invalidate()
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (title.trim() !== '' && !rename.isPending) rename.mutate({ id: chat.id, title: title.trim() })
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label={t('chats.renameLabel')} error={rename.isError ? toFailure(rename.error).message : null}>
        {(attributes) => (
          <Input
            {...attributes}
            value={title}
            maxLength={LIMITS.chatTitleLength}
            autoFocus
            onFocus={(event) => event.target.select()}
            onChange={(event) => setTitle(event.target.value)}
          />
        )}
      </Field>
      <DialogActions>
        <Button onClick={onClose}>{t('action.cancel')}</Button>
        <Button type="submit" kind="primary" busy={rename.isPending} disabled={title.trim() === ''}>
          {t('action.save')}
        </Button>
      </DialogActions>
    </form>
  )
}

export function DeleteChatDialog({ chat, open, onClose }: Props) {
  const router = useRouter()
  const utils = trpc.useUtils()
  const remove = trpc.chats.delete.useMutation({
    async onSuccess() {
      onClose()
      if (router.query.id === chat.id) await router.push('/chats/new')
      void utils.chats.list.invalidate()
    },
  })
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={t('chats.deleteTitle')}
      closeLabel={t('action.close')}
      description={t('chats.deleteText', { title: chat.title })}
    >
      {remove.isError && (
        <p role="alert" className="text-sm text-danger">
          {toFailure(remove.error).message}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>{t('action.cancel')}</Button>
        <Button kind="danger" busy={remove.isPending} onClick={() => remove.mutate({ id: chat.id })}>
          {t('chats.deleteAction')}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
