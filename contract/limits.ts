// Sizes that both sides of a wire must agree on. Bytes unless a name says otherwise.
export const LIMITS = {
  /** One uploaded file. */
  fileBytes: 200 * 1024 * 1024,
  /** A file's name after cleaning, in UTF-16 code units. */
  fileNameLength: 255,
  /** Golden questions of a collection. */
  goldenQuestions: 1_000,
  /** Right documents of one of them. */
  goldenAnswers: 50,
  /** A question, in UTF-16 code units. */
  questionLength: 8_000,
  /** What a page got from a model by itself, in UTF-16 code units: with its escapes it is one tRPC request. */
  pageAnswerLength: 48_000,
  /** The model endpoint's receipt, in characters. */
  receiptLength: 4_096,
  collectionNameLength: 120,
  collectionDescriptionLength: 2_000,
  chatTitleLength: 200,
  /** Collections that one chat may range over. */
  collectionsPerChat: 100,
  passwordMinLength: 10,
  passwordMaxLength: 128,
  apiKeyNameLength: 120,
  /** API keys of one person. */
  apiKeysPerPerson: 50,
  /** Collections that an API key may be limited to. */
  collectionsPerKey: 100,
  /** Body of a request by an API key. */
  doorBytes: 1024 * 1024,
  /** Messages of one conversation that comes from outside. */
  doorMessages: 1_000,
  /** Body of a tRPC request. */
  requestBytes: 256 * 1024,
  /** Passages returned by one search. */
  searchResults: 200,
} as const
