// A page that is not one: it answers JSON at an address of its own, without a page around it. An API route with a
// rewrite would do too, but with the first rewrite Next sends every browser the code to follow rewrites.
import type { GetServerSideProps } from 'next'

interface Answer {
  status: number
  body: Record<string, unknown>
}

export function answerOnly(answer: () => Promise<Answer>): GetServerSideProps {
  return async ({ res }) => {
    const { status, body } = await answer()
    res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    res.end(JSON.stringify(body))
    return { props: {} }
  }
}
