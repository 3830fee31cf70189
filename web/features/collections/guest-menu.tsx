// What somebody who owns nothing of a collection can do about it. Owners have the list of people instead of leaving.
import { Ellipsis, FlaskConical, LogOut } from 'lucide-react'
import { useRouter } from 'next/router'
import { useState } from 'react'
import { ConfirmDialog } from '../../components/ui/confirm-dialog.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Menu, MenuItem } from '../../components/ui/menu.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'

export function GuestMenu({ collection: { id, name } }: { collection: { id: string; name: string } }) {
  const router = useRouter()
  const utils = trpc.useUtils()
  const [asking, setAsking] = useState(false)
  const leave = trpc.collections.leave.useMutation({
    // Here and not with the call: news of it may take this page away before its answer is there.
    onSuccess: () => {
      showToast(t('collection.left', { name }))
      void router.push('/collections')
      void utils.collections.list.invalidate()
    },
  })
  return (
    <>
      <Menu
        trigger={
          <IconButton
            label={t('collection.menu')}
            icon={<Ellipsis aria-hidden className="size-5" />}
            tooltip={false}
          />
        }
      >
        <MenuItem
          icon={<FlaskConical aria-hidden className="size-4" />}
          onSelect={() => void router.push(`/collections/${id}/test-bench`)}
        >
          {t('collection.testBench')}
        </MenuItem>
        <MenuItem icon={<LogOut aria-hidden className="size-4" />} onSelect={() => setAsking(true)}>
          {t('collection.leave')}
        </MenuItem>
      </Menu>
      <ConfirmDialog
        open={asking}
        title={t('collection.leaveTitle', { name })}
        confirmLabel={t('collection.leave')}
        busy={leave.isPending}
        failure={leave.error === null ? null : toFailure(leave.error).message}
        onClose={() => {
          leave.reset()
          setAsking(false)
        }}
        onConfirm={() => leave.mutate({ id })}
      >
        {t('collection.leaveHint')}
      </ConfirmDialog>
    </>
  )
}
