import { Component, type ReactNode } from 'react'
import { t } from '../../lib/t.ts'
import { Button } from '../ui/button.tsx'
import { ErrorState } from '../ui/error-state.tsx'

/** A page that breaks while drawing says so and offers a way on; React leaves a white window otherwise. */
export class PageBoundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false }

  static getDerivedStateFromError() {
    return { broken: true }
  }

  override render() {
    if (!this.state.broken) return this.props.children
    return (
      <main className="mx-auto max-w-xl p-6">
        <ErrorState
          level={1}
          title={t('page.crashed')}
          message={t('page.crashedHint')}
          actions={<Button onClick={() => window.location.reload()}>{t('page.reload')}</Button>}
        />
      </main>
    )
  }
}
