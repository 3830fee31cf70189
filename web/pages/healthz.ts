import { answerOnly } from '../server/answer-only.ts'

/** The process answers; nothing more is promised. */
export const getServerSideProps = answerOnly(async () => ({ status: 200, body: { alive: true } }))

export default function Healthz() {
  return null
}
