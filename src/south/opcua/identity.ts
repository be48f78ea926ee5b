import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { crypto_utils, type OPCUAClientOptions } from 'node-opcua-client'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'

type KeyPair = NonNullable<OPCUAClientOptions['certificateKeyPairProvider']>

/** Shown to servers as the application's name in the world; the certificate must carry the same. */
export const applicationUri = `urn:${hostname()}:lineside`

const certificateFile = 'client-certificate.pem'
const keyFile = 'client-key.pem'
const pinFile = 'server-certificate.sha256'
const validDays = 3_650
const keyBits = 2048

/** The gateway's own certificate for this device: made once, kept in its state folder, so that a server needs to trust it only once. */
export async function ownIdentity(folder: string, clock: Clock): Promise<KeyPair> {
  const kept = await readIdentity(folder)
  const { certificate, key } = kept ?? (await makeIdentity(folder, clock))
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

async function readIdentity(folder: string): Promise<{ readonly certificate: string; readonly key: string } | undefined> {
  try {
    const [certificate, key] = await Promise.all([readFile(join(folder, certificateFile), 'utf8'), readFile(join(folder, keyFile), 'utf8')])
    const isOurs = new X509Certificate(certificate).subjectAltName?.includes(applicationUri) === true
    return isOurs ? { certificate, key } : undefined // the host was renamed: a server would refuse the old one
  } catch {
    return undefined // not there yet, or damaged: it is made anew
  }
}

async function makeIdentity(folder: string, clock: Clock): Promise<{ readonly certificate: string; readonly key: string }> {
  const pair = await crypto_utils.generateKeyPair(keyBits)
  // biome-ignore lint/style/noRestrictedGlobals: the certificate wants a Date; the moment is the clock's
  const notBefore = new Date(clock.now() - 86_400_000) // a day early: the server's clock may be behind
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
  await keep(folder, { [keyFile]: privPem, [certificateFile]: cert })
  return { certificate: cert, key: privPem }
}

async function keep(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const [name, text] of Object.entries(files)) {
    const temporary = join(folder, `.${name}.${randomUUID()}`)
    await writeFile(temporary, text, { mode: 0o600 })
    await rename(temporary, join(folder, name))
  }
}

/** Remembers the server's certificate at the first connection, and throws `opcua.certificate-changed` when it is another one later. */
export async function checkPin(folder: string, certificate: Buffer, log: Log): Promise<void> {
  const thumbprint = createHash('sha256').update(certificate).digest('hex')
  const pinned = await readFile(join(folder, pinFile), 'utf8').catch(() => undefined)
  if (pinned === undefined) {
    await keep(folder, { [pinFile]: `${thumbprint}\n` })
    log.info('Trusts the certificate that the OPC UA server showed first.', { sha256: thumbprint })
    return
  }
  if (pinned.trim() === thumbprint) return
  throw new Fault('opcua.certificate-changed', `The server shows another certificate than before: sha256 ${thumbprint}.`, {
    remedy: `If the server was replaced or its certificate renewed, delete ${join(folder, pinFile)}; if not, somebody may stand in between.`,
  })
}
