// How fast this machine's one thread reads the same floats at all: the least that an exact scan can take. Compiled with
// the compiler that FAISS is compiled with at set-up.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const SOURCE = `
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>
int main(int argc, char** argv) {
  std::size_t n = std::strtoull(argv[1], nullptr, 10);
  std::vector<float> a(n);
  for (std::size_t i = 0; i < n; i++) a[i] = float(i % 1000) * 0.001f;
  volatile float kept;
  for (int round = 0; round < 12; round++) {
    auto began = std::chrono::steady_clock::now();
    float sum = 0;
    for (std::size_t i = 0; i < n; i++) sum += a[i];
    kept = sum;
    std::printf("%f\\n", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count());
  }
  (void)kept;
}
`

/** Milliseconds of each of several sums of so many floats, without the first two. */
export function sumFloats(count: number): number[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-sum-'))
  try {
    writeFileSync(path.join(folder, 'sum.cc'), SOURCE)
    execFileSync('g++', ['-O3', '-march=native', '-ffast-math', '-o', 'sum', 'sum.cc'], { cwd: folder })
    const env = { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }
    const printed = execFileSync(path.join(folder, 'sum'), [String(count)], { encoding: 'utf8', env })
    return printed.trim().split('\n').map(Number).slice(2)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
