// A model's pieces of text made fit to be kept and sent: no half of a character at a piece's end, no NUL.
export interface PieceCleaner {
  push(piece: string): string
}

export function createPieceCleaner(): PieceCleaner {
  let half = ''
  return {
    push(piece) {
      let text = half === '' ? piece : half + piece
      half = ''
      const last = text.charCodeAt(text.length - 1)
      // The first half of a surrogate pair: its other half begins the next piece.
      if (last >= 0xd800 && last <= 0xdbff) {
        half = text.slice(-1)
        text = text.slice(0, -1)
      }
      if (!text.isWellFormed()) text = text.toWellFormed()
      return text.includes('\u0000') ? text.replaceAll('\u0000', '') : text
    },
  }
}
