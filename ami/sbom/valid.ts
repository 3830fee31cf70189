// Whether a document is one of CycloneDX, by the schema that its authors publish.
import { Version } from '@cyclonedx/cyclonedx-library/Spec'
import { JsonStrictValidator } from '@cyclonedx/cyclonedx-library/Validation'

/** @throws Error naming what is wrong first */
export async function requireValid(text: string): Promise<void> {
  const wrong = await new JsonStrictValidator(Version.v1dot6).validate(text)
  if (wrong !== null) throw new Error(`an SBOM is not valid: ${JSON.stringify(wrong).slice(0, 2_000)}`)
}
