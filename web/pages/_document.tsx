import { randomBytes } from 'node:crypto'
import Document, { type DocumentContext, Head, Html, Main, NextScript } from 'next/document'
import { contentSecurityPolicy } from '../lib/content-security-policy.ts'
import { browserModelEndpoint, isDevelopment, trustedProxyHops } from '../lib/env.ts'
import { LOCALE } from '../lib/t.ts'
import { readTheme, type Theme } from '../lib/theme.ts'
import { keepBrowser } from '../server/stay.ts'

interface Props {
  nonce: string
  theme: Theme
  modelEndpoint: string | undefined
}

/** Rendered per request: the nonce, the theme cookie and the run-time settings all belong to one response. */
export default class TerraceDocument extends Document<Props> {
  static override async getInitialProps(context: DocumentContext) {
    const nonce = randomBytes(16).toString('base64')
    const modelEndpoint = browserModelEndpoint()
    context.res?.setHeader(
      'Content-Security-Policy',
      contentSecurityPolicy({ nonce, modelEndpoint, development: isDevelopment() }),
    )
    if (context.req && context.res) keepBrowser(context.req, context.res, trustedProxyHops())
    const initial = await Document.getInitialProps(context)
    return { ...initial, nonce, modelEndpoint, theme: readTheme(context.req?.headers.cookie) }
  }

  override render() {
    const { nonce, theme, modelEndpoint } = this.props
    return (
      <Html lang={LOCALE} data-theme={theme}>
        <Head nonce={nonce}>
          <meta name="color-scheme" content="light dark" />
          {modelEndpoint && <meta name="terrace-model-endpoint" content={modelEndpoint} />}
          <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        </Head>
        <body>
          <Main />
          <NextScript nonce={nonce} />
        </body>
      </Html>
    )
  }
}
