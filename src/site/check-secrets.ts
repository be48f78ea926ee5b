import { Fault } from '../base/fault.ts'
import { revealSecret } from '../base/secret.ts'
import { secretSchema } from '../base/secret-schema.ts'
import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import type { Path } from './source.ts'

interface SecretContext {
  readonly problems: ProblemList
  readonly environment: NodeJS.ProcessEnv
}

/** Each secret that a file names can be found on this machine. Its text is looked up and forgotten. */
export function checkSecrets({ sources }: LoadedParts, { problems, environment }: SecretContext): void {
  for (const source of sources) {
    for (const { path, text } of texts(source.value, [])) {
      if (!text.startsWith('${secret:')) continue
      const ref = secretSchema.safeParse(text)
      const finding = ref.success ? missing(() => revealSecret(ref.data, environment)) : undefined
      if (finding !== undefined) problems.add(source, { path }, finding)
    }
  }
}

function missing(reveal: () => string): { code: string; message: string; remedy: string } | undefined {
  try {
    reveal()
    return undefined
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { code: error.code, message: error.message, remedy: error.remedy }
  }
}

function* texts(value: unknown, path: Path): Generator<{ readonly path: Path; readonly text: string }> {
  if (typeof value === 'string') yield { path, text: value }
  else if (Array.isArray(value)) for (const [place, item] of value.entries()) yield* texts(item, [...path, place])
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) yield* texts(item, [...path, key])
  }
}
