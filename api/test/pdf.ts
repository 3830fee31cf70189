// A PDF made in a test, object by object.

/** Pages with text lines (Helvetica, 12 points apart), or with a picture and no text, as scanners make them. */
export function pdf(pages: readonly (readonly string[] | 'scan')[]): Buffer {
  const objects: (string | Buffer)[] = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, i) => `${5 + i * 2} 0 R`).join(' ')}] >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    stream(
      '<< /Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8',
      Buffer.alloc(64, 120),
    ),
  ]
  pages.forEach((page, i) => {
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents ${6 + i * 2} 0 R
       /Resources << /Font << /F1 3 0 R >> /XObject << /Im1 4 0 R >> >> >>`,
    )
    const content =
      page === 'scan'
        ? 'q 500 0 0 700 40 60 cm /Im1 Do Q'
        : `BT /F1 10 Tf 12 TL 50 790 Td ${page.map((line) => `(${literal(line)}) Tj T*`).join(' ')} ET`
    objects.push(stream('<<', Buffer.from(content, 'latin1')))
  })
  const parts: Buffer[] = [Buffer.from('%PDF-1.4\n')]
  let offset = parts[0]?.length ?? 0
  const offsets = objects.map((object, i) => {
    const at = offset
    const bytes = Buffer.concat([
      Buffer.from(`${i + 1} 0 obj\n`),
      Buffer.from(object),
      Buffer.from('\nendobj\n'),
    ])
    parts.push(bytes)
    offset += bytes.length
    return at
  })
  const table = offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('')
  parts.push(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${offset}\n%%EOF\n`,
    ),
  )
  return Buffer.concat(parts)
}

function stream(dictionary: string, bytes: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`${dictionary} /Length ${bytes.length} >>\nstream\n`),
    bytes,
    Buffer.from('\nendstream'),
  ])
}

function literal(text: string): string {
  return text.replace(/[\\()]/g, '\\$&')
}
