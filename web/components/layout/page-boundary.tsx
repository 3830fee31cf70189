import { Component, type ReactNode } from 'react'
import { BrokenPage } from './broken-page.tsx'

/** A page that breaks while drawing says so and offers a way on; React leaves a white window otherwise. */
export class PageBoundary extends Component<{ children: ReactNode }, { broken?: { error: unknown } }> {
  override state: { broken?: { error: unknown } } = {}

  static getDerivedStateFromError(error: unknown) {
    return { broken: { error } }
  }

  override render() {
    const { broken } = this.state
    return broken === undefined ? this.props.children : <BrokenPage error={broken.error} />
  }
}
