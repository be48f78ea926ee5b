import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { CertificatePurpose, createSelfSignedCertificate, generateKeyPair, privateKeyToPEM } from 'node-opcua-crypto/web'
import { type StatusCode, StatusCodes } from 'node-opcua-status-code'
import type { Clock } from '../../base/clock.ts'
import { dateOf } from './values.ts'

const keyBits = 2048
const validDays = 3_650
const dayMs = 86_400_000

export interface ServerCertificate {
  readonly certificateFile: string
  readonly privateKeyFile: string
}

/** The server's own certificate: made once and kept, because clients pin it. Made anew when the gateway is renamed or listens elsewhere, and where a power cut damaged it. */
export async function ownCertificate(
  folder: string,
  names: { readonly applicationUri: string; readonly host: string },
  clock: Clock,
): Promise<ServerCertificate> {
  const files = { certificateFile: join(folder, 'server-certificate.pem'), privateKeyFile: join(folder, 'server-key.pem') }
  if (await isUsable(files, names)) return files
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pair = await generateKeyPair(keyBits)
  const isAddress = /^[\d.]+$|:/.test(names.host)
  const { cert } = await createSelfSignedCertificate({
    privateKey: pair.privateKey,
    subject: '/CN=Lineside/O=Lineside',
    applicationUri: names.applicationUri,
    dns: [...new Set(['localhost', hostname(), ...(isAddress ? [] : [names.host])])],
    ip: [...new Set(['127.0.0.1', ...(isAddress ? [names.host] : [])])],
    validity: validDays,
    notBefore: dateOf(clock.now() - dayMs), // a day early: a client's clock may be behind
    purpose: CertificatePurpose.ForApplication,
  })
  const { privPem } = await privateKeyToPEM(pair.privateKey)
  await replace(files.privateKeyFile, privPem)
  await replace(files.certificateFile, cert)
  return files
}

async function isUsable(files: ServerCertificate, names: { readonly applicationUri: string; readonly host: string }): Promise<boolean> {
  try {
    const certificate = new X509Certificate(await readFile(files.certificateFile))
    const key = createPrivateKey(await readFile(files.privateKeyFile))
    const known = certificate.subjectAltName ?? ''
    return certificate.checkPrivateKey(key) && known.includes(names.applicationUri) && known.includes(names.host)
  } catch {
    return false // not there yet, or damaged
  }
}

async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`
  await writeFile(temporary, text, { mode: 0o600 })
  await rename(temporary, path)
}

/**
 * Client applications are let in with any certificate: it encrypts, and who may do what is decided by the user. A store of our own,
 * because the library's writes to the home folder and shells out to openssl.
 */
export function anyApplication() {
  return { ...emptyStore(), checkCertificate: async (): Promise<StatusCode> => StatusCodes.Good }
}

/** Nobody can be a user by certificate yet. The library calls this one back. */
export function noCertificateUsers() {
  return {
    ...emptyStore(),
    checkCertificate: (_certificate: unknown, callback: (error: null, status: StatusCode) => void): void =>
      callback(null, StatusCodes.BadIdentityTokenRejected),
  }
}

function emptyStore() {
  return {
    referenceCounter: 0,
    initialize: async (): Promise<void> => {},
    dispose: async (): Promise<void> => {},
    verifyCertificate: async (): Promise<string> => 'Good',
    trustCertificate: async (): Promise<void> => {},
    rejectCertificate: async (): Promise<void> => {},
    getTrustStatus: async (): Promise<StatusCode> => StatusCodes.Good,
    addIssuer: async (): Promise<void> => {},
    addRevocationList: async (): Promise<void> => {},
  }
}
