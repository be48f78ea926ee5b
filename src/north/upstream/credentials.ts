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
  return {
    rejectUnauthorized: isVerified,
    ...(ca === undefined ? {} : { ca: await pem(ca) }),
    ...(cert === undefined ? {} : { cert: await pem(cert) }),
    ...(key === undefined ? {} : { key: await pem(key) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
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
