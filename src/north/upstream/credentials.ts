import type { IClientOptions } from 'mqtt'
import { Fault } from '../../base/fault.ts'
import { revealSecret } from '../../base/secret.ts'
import type { PemSource, UpstreamConfig, UpstreamTls } from './config.ts'

/** By what this gateway and the far broker know each other. Throws the Faults `secret.unknown` and `upstream.certificate`. */
export async function credentials({ user, password, tls }: UpstreamConfig): Promise<Partial<IClientOptions>> {
  return {
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password: revealSecret(password) }),
    ...(tls === undefined ? {} : await tlsOptions(tls)),
  }
}

/** Files are read for each connection, so that renewed certificates are taken up. */
async function tlsOptions({ ca, cert, key, serverName, isVerified }: UpstreamTls): Promise<Partial<IClientOptions>> {
  const texts = {
    ...(ca === undefined ? {} : { ca: await pem(ca) }),
    ...(cert === undefined ? {} : { cert: await pem(cert) }),
    ...(key === undefined ? {} : { key: await pem(key) }),
  }
  await prove(texts)
  return { rejectUnauthorized: isVerified, ...texts, ...(serverName === undefined ? {} : { servername: serverName }) }
}

/** A renewal may be half done: the key is that of yesterday, or a file is empty. The library would throw in the middle of its work, and of no authority it would make all that this machine trusts. */
async function prove(texts: { readonly ca?: string; readonly cert?: string; readonly key?: string }): Promise<void> {
  for (const [name, text] of Object.entries(texts)) if (!text.includes('-----BEGIN ')) throw unusable(`\`${name}\` holds nothing in PEM`)
  const { createSecureContext } = await import('node:tls')
  try {
    createSecureContext(texts)
  } catch (cause) {
    throw unusable(cause instanceof Error && 'reason' in cause ? String(cause.reason) : String(cause), cause)
  }
}

function unusable(why: string, cause?: unknown): Fault {
  return new Fault('upstream.certificate', `The certificates of the upstream cannot be used: ${why}.`, {
    remedy:
      'Nothing is lost. Look at `tls: { ca, cert, key }` of the upstream: PEM, the key that of the cert and without a passphrase. They are read anew for each try.',
    isRetryable: true,
    ...(cause === undefined ? {} : { cause }),
  })
}

async function pem(source: PemSource): Promise<string> {
  if (typeof source !== 'string') return revealSecret(source)
  const { readFile } = await import('node:fs/promises')
  try {
    return await readFile(source, 'utf8')
  } catch (cause) {
    throw new Fault('upstream.certificate', `The file ${source} cannot be read.`, {
      remedy: 'Check the paths under `tls` of the upstream, and that this user may read them.',
      isRetryable: true,
      cause,
    })
  }
}
