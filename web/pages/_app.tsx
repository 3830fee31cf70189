import '../styles/app.css'
import App, { type AppContext, type AppProps } from 'next/app'
import Head from 'next/head'
import { AppShell } from '../components/layout/app-shell.tsx'
import { useSayReloaded } from '../components/layout/broken-page.tsx'
import { PageBoundary } from '../components/layout/page-boundary.tsx'
import { Toaster } from '../components/ui/toast.tsx'
import type { PageSettings } from '../lib/page.ts'
import { t } from '../lib/t.ts'
import { trpc } from '../lib/trpc.ts'

type Props = AppProps & { Component: AppProps['Component'] & PageSettings }

function TerraceApp({ Component, pageProps }: Props) {
  useSayReloaded()
  const page = <Component {...pageProps} />
  return (
    <>
      <Head>
        <title>{t('app.name')}</title>
        <meta
          name="viewport"
          content="width=device-width, initial-scale=1, interactive-widget=resizes-content"
        />
      </Head>
      <PageBoundary>{Component.frame === 'plain' ? page : <AppShell>{page}</AppShell>}</PageBoundary>
      <Toaster />
    </>
  )
}

/**
 * Its presence makes Next render each page per request instead of once at build time, as the nonce and the
 * theme need (pages/_document.tsx). Going from page to page in the browser asks the server nothing.
 */
TerraceApp.getInitialProps = (context: AppContext) => App.getInitialProps(context)

export default trpc.withTRPC(TerraceApp)
