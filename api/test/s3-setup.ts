// One S3 server for a whole run of `npm run test:s3`. Each test takes a prefix of its own.
import { type S3Environment, startS3Server } from './s3-server.ts'

export default async function setup(project: { provide(key: 's3', value: S3Environment): void }) {
  const server = await startS3Server()
  project.provide('s3', server.env)
  return () => server[Symbol.asyncDispose]()
}

declare module 'vitest' {
  export interface ProvidedContext {
    s3: S3Environment
  }
}
