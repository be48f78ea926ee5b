import { randomUUID, X509Certificate } from 'node:crypto'
import { chown, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { type EpochMs, isoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { shellWord } from '../../base/shell-word.ts'

/** Which server a device trusts, as files in its state folder. Loads no protocol library: the command line reads them too. */
export interface Trust {
  /** sha256 of the certificate, 64 hex digits. */
  readonly pinned?: string
  /** Shown by the server, and not trusted; the newest last. */
  readonly refused: readonly RefusedCertificate[]
}

const refusedSchema = z.object({
  fingerprint: z.string(),
  subject: z.string(),
  notAfter: z.string(),
  firstSeen: z.string(),
})

export type RefusedCertificate = z.output<typeof refusedSchema>

const pinFile = 'server-certificate.sha256'
const refusedFile = 'refused-certificates.json'
/** Whoever stands in between must not fill the disk; the oldest go first. */
const refusedMax = 10
const fingerprintPattern = /^[0-9a-f]{64}$/

export interface SeenCertificate {
  readonly fingerprint: string
  readonly subject: string
  /** undefined where its text cannot be read. */
  readonly notAfterMs: number
  readonly notBeforeMs: number
}

/** Of the first certificate of a chain. */
export function lookAt(chain: Buffer): SeenCertificate {
  try {
    const certificate = new X509Certificate(chain)
    return {
      fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      subject: certificate.subject.replaceAll('\n', ', ').slice(0, 200),
      notAfterMs: Number(certificate.validToDate),
      notBeforeMs: Number(certificate.validFromDate),
    }
  } catch (cause) {
    throw new Fault('opcua.certificate-unreadable', 'The server shows a certificate that cannot be read.', {
      remedy: 'Let the server make a new certificate.',
      cause,
    })
  }
}

export type TrustVerdict = 'first' | 'known'

/** What `lineside trust` must be told to reach the folder: a device of a site, or the address of a server that is browsed. */
export interface TrustedAs {
  readonly name: string
  readonly site?: string
}

export function trustCommand({ name, site }: TrustedAs, fingerprint: string): string {
  const words = ['lineside', 'trust', name, fingerprint, ...(site === undefined ? [] : ['--site', site])]
  return words.map(shellWord).join(' ')
}

interface PinContext {
  readonly now: EpochMs
  readonly trustedAs?: TrustedAs | undefined
}

/** Remembers the server's certificate at the first connection; throws `opcua.certificate-changed` when it is another one later. */
export async function checkPin(folder: string, seen: SeenCertificate, { now, trustedAs }: PinContext): Promise<TrustVerdict> {
  const command = trustCommand(trustedAs ?? { name: basename(folder) }, seen.fingerprint)
  const pinned = await readPin(folder, command)
  if (pinned === undefined) {
    await keep(folder, pinFile, `${seen.fingerprint}\n`)
    return 'first'
  }
  if (pinned === seen.fingerprint) return 'known'
  await rememberRefused(folder, seen, now).catch(() => {}) // the fault below is what matters; a full disk must not hide it
  throw new Fault(
    'opcua.certificate-changed',
    `The server shows another certificate than before: sha256 ${seen.fingerprint} (${seen.subject}).`,
    {
      remedy: `If the server was replaced or its certificate renewed, run \`${command}\`. If not, somebody may stand in between.`,
      isRetryable: true,
    },
  )
}

export async function readTrust(folder: string): Promise<Trust> {
  const pinned = await readPin(folder, trustCommand({ name: basename(folder) }, 'FINGERPRINT'))
  return { ...(pinned === undefined ? {} : { pinned }), refused: await readRefused(folder) }
}

/** From the next attempt on, which comes within a second, the device talks to the server with this certificate and to no other. */
export async function acceptFingerprint(folder: string, text: string): Promise<string> {
  const fingerprint = text.replaceAll(':', '').toLowerCase()
  if (!fingerprintPattern.test(fingerprint)) {
    throw new Fault('trust.fingerprint', `${text.slice(0, 100)} is no sha256 fingerprint.`, {
      remedy: 'Give the 64 hex digits that the fault names, or that the server shows.',
    })
  }
  await keep(folder, pinFile, `${fingerprint}\n`)
  const refused = (await readRefused(folder)).filter((one) => one.fingerprint !== fingerprint)
  await keep(folder, refusedFile, `${JSON.stringify(refused, undefined, 2)}\n`)
  return fingerprint
}

/** undefined at the first contact only: a pin that cannot be read is no reason to trust just anybody. */
async function readPin(folder: string, command: string): Promise<string | undefined> {
  const path = join(folder, pinFile)
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined
    throw unreadable(path, { command, cause })
  })
  if (text === undefined) return undefined
  if (!fingerprintPattern.test(text.trim())) throw unreadable(path, { command })
  return text.trim()
}

function unreadable(path: string, { command, cause }: { readonly command: string; readonly cause?: unknown }): Fault {
  return new Fault('opcua.trust-unreadable', `Which server is trusted cannot be read from ${path}.`, {
    remedy: `Mend the file or its rights; or accept the certificate anew: \`${command}\`.`,
    isRetryable: true,
    cause,
  })
}

async function readRefused(folder: string): Promise<readonly RefusedCertificate[]> {
  try {
    return z.array(refusedSchema).parse(JSON.parse(await readFile(join(folder, refusedFile), 'utf8')))
  } catch {
    return [] // not there yet, or damaged: only a help for people
  }
}

async function rememberRefused(folder: string, seen: SeenCertificate, now: EpochMs): Promise<void> {
  const before = await readRefused(folder)
  if (before.some(({ fingerprint }) => fingerprint === seen.fingerprint)) return // an attempt a second must not wear out the disk
  const { fingerprint, subject, notAfterMs } = seen
  const one = { fingerprint, subject, notAfter: Number.isNaN(notAfterMs) ? '' : isoTime(notAfterMs as EpochMs), firstSeen: isoTime(now) }
  await keep(folder, refusedFile, `${JSON.stringify([...before, one].slice(-refusedMax), undefined, 2)}\n`)
}

/** Whole or not at all. Owned by whom the folder belongs to: root may run the command, and the daemon must read what it wrote. */
export async function keep(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `.${name}.${randomUUID()}`)
  await writeFile(temporary, text, { mode: 0o600 })
  if (process.getuid?.() === 0) {
    const { uid, gid } = await stat(folder)
    await chown(temporary, uid, gid)
  }
  await rename(temporary, join(folder, name))
}
