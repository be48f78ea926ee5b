import { X509Certificate } from 'node:crypto'
import { readFile, rename } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { crypto_utils, type OPCUAClientOptions } from 'node-opcua-client'
import { type Clock, epochMs, isoTime } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { keep } from './trust.ts'

type KeyPair = NonNullable<OPCUAClientOptions['certificateKeyPairProvider']>

/** Shown to servers as the application's name in the world; the certificate must carry the same. */
export const applicationUri = `urn:${hostname()}:lineside`

const certificateFile = 'client-certificate.pem'
const keyFile = 'client-key.pem'
const validDays = 3_650
const keyBits = 2048
const dayMs = 86_400_000
/** Renewed this long before it ends: time enough for somebody to trust the new one at the server. */
const renewBeforeMs = 30 * dayMs

export interface IdentityContext {
  readonly stateFolder: string
  readonly clock: Clock
  readonly log: Log
}

/** The gateway's own certificate for this device: made once, kept in its state folder, so that a server needs to trust it only once. */
export async function ownIdentity(context: IdentityContext): Promise<KeyPair> {
  const { certificate, key } = (await keptIdentity(context)) ?? (await makeIdentity(context))
  const chain = [crypto_utils.convertPEMtoDER(certificate)]
  const privateKey = crypto_utils.makePrivateKeyFromPem(key)
  return keyPair({ certificates: chain, privateKey })
}

/** Without encryption no key is needed, and none is made: an RSA key costs up to a second on a small machine. */
export function noIdentity(): KeyPair {
  return keyPair({ certificates: [] })
}

interface KeyPairParts {
  readonly certificates: readonly Buffer[]
  readonly privateKey?: ReturnType<typeof crypto_utils.makePrivateKeyFromPem>
}

function keyPair({ certificates, privateKey }: KeyPairParts): KeyPair {
  const provider = {
    certificateFile: '<in-memory>', // the library's word for: touch no file of your own
    privateKeyFile: '<in-memory>',
    getCertificate: () => certificates[0],
    getCertificateChain: () => [...certificates],
    getPrivateKey: () => privateKey,
    ...(privateKey === undefined ? { getKeyOperations: () => ({}) } : {}), // made before it is known whether it is needed
  }
  return provider as unknown as KeyPair // without encryption nobody asks for what is undefined here
}

interface Identity {
  readonly certificate: string
  readonly key: string
}

/** undefined where a new one is needed; then the one that was is kept aside, and why is said. */
async function keptIdentity({ stateFolder, clock, log }: IdentityContext): Promise<Identity | undefined> {
  const kept = await readIdentity(stateFolder)
  if (kept === undefined) return undefined
  const why = reasonToRenew(kept.certificate, clock)
  if (why === undefined) return kept
  const aside = isoTime(clock.now()).replaceAll(/[:.]/g, '-')
  for (const name of [certificateFile, keyFile])
    await rename(join(stateFolder, name), join(stateFolder, `${aside}-${name}`)).catch(() => {})
  log.warn('Makes a new certificate for this gateway; the OPC UA server must trust the new one.', {
    why,
    oldOneKeptAs: `${aside}-${certificateFile}`,
  })
  return undefined
}

async function readIdentity(folder: string): Promise<Identity | undefined> {
  const read = (name: string): Promise<string> =>
    readFile(join(folder, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw error // there is one, and we may not read it: a new one would have to be trusted by the server first
    })
  const [certificate, key] = await Promise.all([read(certificateFile), read(keyFile)])
  return certificate === '' && key === '' ? undefined : { certificate, key }
}

function reasonToRenew(certificate: string, clock: Clock): string | undefined {
  try {
    const kept = new X509Certificate(certificate)
    if (kept.subjectAltName?.includes(applicationUri) !== true) return 'this host was renamed'
    const endMs = Number(kept.validToDate)
    return endMs - clock.now() < renewBeforeMs ? `the old one ends at ${isoTime(epochMs(endMs))}` : undefined
  } catch {
    return 'the old one is damaged'
  }
}

async function makeIdentity({ stateFolder, clock }: IdentityContext): Promise<Identity> {
  const pair = await crypto_utils.generateKeyPair(keyBits)
  // biome-ignore lint/style/noRestrictedGlobals: the certificate wants a Date; the moment is the clock's
  const notBefore = new Date(clock.now() - dayMs) // a day early: the server's clock may be behind
  const { cert } = await crypto_utils.createSelfSignedCertificate({
    privateKey: pair.privateKey,
    subject: '/CN=Lineside/O=Lineside',
    applicationUri,
    dns: [hostname()],
    validity: validDays,
    notBefore,
    purpose: crypto_utils.CertificatePurpose.ForApplication,
  })
  const { privPem } = await crypto_utils.privateKeyToPEM(pair.privateKey)
  await keep(stateFolder, keyFile, privPem)
  await keep(stateFolder, certificateFile, cert)
  return { certificate: cert, key: privPem }
}
