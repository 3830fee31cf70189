// The engines that can keep the searchable state (index/port.ts).
export const ENGINE_NAMES = ['embedded', 'opensearch'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]
