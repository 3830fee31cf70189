import { useRouter } from 'next/router'
import { TestBenchPage } from '../../../features/test-bench/test-bench-page.tsx'
import type { TerracePage } from '../../../lib/page.ts'

const TestBench: TerracePage = () => {
  const { query } = useRouter()
  return typeof query.id === 'string' ? <TestBenchPage key={query.id} id={query.id} /> : null
}
export default TestBench
