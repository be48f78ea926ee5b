import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from './fault.ts'

/**
 * A secret by name. Site data carries only the name, so that a site can be logged, compared and sent between threads;
 * the text is looked up at the moment of use and never kept.
 */
export interface SecretRef {
  readonly secret: string
}

export const secretPattern = /^\$\{secret:([A-Za-z0-9][A-Za-z0-9_.-]{0,63})\}$/

/** Where `NAME` is looked up in the environment: upper case, and `_` for what a variable name cannot hold. */
function secretVariable(name: string): string {
  return `LINESIDE_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
}

/** The text of a secret; throws the Fault `secret.unknown` where it is nowhere to be found. */
export function revealSecret(ref: SecretRef, environment: NodeJS.ProcessEnv = process.env): string {
  const text = credential(ref.secret, environment) ?? environment[secretVariable(ref.secret)]
  if (text !== undefined) return text
  throw new Fault('secret.unknown', `The secret "${ref.secret}" is neither a systemd credential nor in the environment.`, {
    remedy: `Under systemd: put its text in the file /etc/lineside/secrets/${ref.secret} and start the service anew. By hand: export ${secretVariable(ref.secret)}='…' before lineside is run.`,
  })
}

function credential(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const folder = environment['CREDENTIALS_DIRECTORY']
  if (folder === undefined) return undefined
  for (const file of [name, `lineside_${name}`]) {
    // the second is how LoadCredential=lineside:FOLDER names the files of a folder
    try {
      return readFileSync(join(folder, file), 'utf8').replace(/\r?\n$/, '')
    } catch {} // not granted to this unit: the environment may still know it
  }
  return undefined
}
