// Which packages the Debian set is made of, pinned by version and content, and which of their pages are read.

export interface Source {
  /** First part of its documents' ids. */
  readonly name: string
  /** First part of its documents' titles. */
  readonly title: string
  readonly package: string
  readonly version: string
  /** Of the .deb file. */
  readonly sha256: string
  /** Glob inside of the package, without the pages in `without`. */
  readonly pages: string
  readonly without?: RegExp
  /** Their text is left out: nothing but headings. */
  readonly withoutChapters?: RegExp
  /** The headings that are questions; absent: the source only stands in the way. */
  readonly asks?: (heading: Heading) => boolean
}

export interface Heading {
  readonly level: number
  /** Without its number. */
  readonly text: string
}

export const SOURCES: readonly Source[] = [
  {
    name: 'debian-faq',
    title: 'The Debian GNU/Linux FAQ',
    package: 'debian-faq',
    version: '11.1',
    sha256: '427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0',
    pages: 'usr/share/doc/debian/FAQ/*.en.html',
    without: /index|faqinfo/,
    asks: ({ text }) => /[?!]/.test(text),
  },
  {
    name: 'python-faq',
    title: 'Python',
    package: 'python3.11-doc',
    version: '3.11.2-6+deb12u8',
    sha256: '50eb63e7f636c4281e9ce1b8f10386f1def42159eddce34fc1f41c46261df71b',
    pages: 'usr/share/doc/python3.11/html/faq/*.html',
    without: /index/,
    asks: ({ level, text }) => level > 1 && text.split(' ').length > 2,
  },
  {
    name: 'fetchmail-faq',
    title: 'The Fetchmail FAQ',
    package: 'fetchmail',
    version: '6.4.37-1',
    sha256: '67a888df52239e0988a9170b8d8521fbeca1d9934a8b0f1a3e1ea6982a880ed6',
    pages: 'usr/share/doc/fetchmail/fetchmail-FAQ.html',
    withoutChapters: /Contents$/,
    asks: ({ level }) => level === 2,
  },
  {
    name: 'python-tutorial',
    title: 'Python Tutorial',
    package: 'python3.11-doc',
    version: '3.11.2-6+deb12u8',
    sha256: '50eb63e7f636c4281e9ce1b8f10386f1def42159eddce34fc1f41c46261df71b',
    pages: 'usr/share/doc/python3.11/html/tutorial/*.html',
    without: /index/,
  },
  {
    name: 'debian-reference',
    title: 'Debian Reference',
    package: 'debian-reference-en',
    version: '2.100',
    sha256: '9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f',
    pages: 'usr/share/debian-reference/*.en.html',
    without: /index/,
  },
  {
    name: 'developers-reference',
    title: "Debian Developer's Reference",
    package: 'developers-reference',
    version: '12.18',
    sha256: '0dba82f6fa16e373f2a84ad07e7971aa9264ad2e7d2ae46b37edbc9c5fd57e2e',
    pages: 'usr/share/developers-reference/*.html',
    // One of its pages is the whole book.
    without: /index|search|genindex|developers-reference/,
  },
]
