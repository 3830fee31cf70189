// Real documents for the tests: what Debian's documentation packages carry, unpacked into a folder.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'

const PDFS = {
  'debian-faq.pdf': '/usr/share/doc/debian/FAQ/debian-faq.en.pdf.gz',
  'policy.pdf': '/usr/share/doc/debian-policy/policy.pdf.gz',
  'fhs.pdf': '/usr/share/doc/debian-policy/fhs/fhs-3.0.pdf.gz',
} as const

export type RealPdf = keyof typeof PDFS

export const hasDocuments = Object.values(PDFS).every((file) => existsSync(file))

/** @returns the unpacked file's path */
export function unpackPdf(name: RealPdf, folder: string): string {
  const file = path.join(folder, name)
  writeFileSync(file, gunzipSync(readFileSync(PDFS[name])))
  return file
}

const PANDOC = '/usr/bin/pandoc'
const FAQ = '/usr/share/doc/debian/FAQ'
const HANDBOOK = '/usr/share/doc/debian-handbook/html/en-US'

export interface RealDocument {
  readonly file: string
  /** Something it answers, and words of the passage that does. */
  readonly question: string
  readonly answer: RegExp
}

const SOURCES = [
  PANDOC,
  `${FAQ}/kernel.en.html`,
  `${HANDBOOK}/sect.backup.html`,
  `${HANDBOOK}/sect.apt-file.html`,
]

export const hasEveryKind = hasDocuments && SOURCES.every((file) => existsSync(file))

/** One real document of each kind that Terrace reads, about different things; DOCX and Markdown made by pandoc. */
export function everyKind(folder: string): RealDocument[] {
  const converted = (source: string, name: string) => {
    const file = path.join(folder, name)
    execFileSync(PANDOC, [source, '-o', file], { stdio: 'ignore' })
    return file
  }
  const text = path.join(folder, 'perl-policy.txt')
  writeFileSync(text, gunzipSync(readFileSync('/usr/share/doc/debian-policy/perl-policy.txt.gz')))
  const table = path.join(folder, 'packages.csv')
  const field = (of: string) => `\${${of}}`
  const row = `${['binary:Package', 'Version', 'binary:Summary'].map(field).join(',')}\\n`
  const packages = execFileSync('dpkg-query', ['-W', '-f', row, 'debian-policy', 'coreutils', 'bash', 'tar'])
  writeFileSync(table, Buffer.concat([Buffer.from('package,version,summary\n'), packages]))
  return [
    {
      file: unpackPdf('fhs.pdf', folder),
      question: 'What is a configuration file: a local file that controls the operation of a program?',
      answer: /configuration file/i,
    },
    {
      file: converted(`${FAQ}/kernel.en.html`, 'kernel.docx'),
      question: 'Which tools does Debian provide to build custom kernels?',
      answer: /kernel/i,
    },
    {
      file: `${HANDBOOK}/sect.backup.html`,
      question: 'How can rsync save space by hard links to the previous backup?',
      answer: /hard link/i,
    },
    {
      file: converted(`${HANDBOOK}/sect.apt-file.html`, 'apt-file.md'),
      question: 'How do I find the package that contains a file which is not installed?',
      answer: /apt-file/i,
    },
    { file: text, question: 'Where do site administrators put local Perl modules?', answer: /\/usr\/local/ },
    { file: table, question: 'What is the summary of the package coreutils?', answer: /coreutils/ },
  ]
}
