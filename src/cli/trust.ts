import { Fault } from '../base/fault.ts'
import { type DeviceTrust, siteTrust, trustServer } from '../runtime/trust.ts'
import { loadSite } from '../site/load.ts'
import type { Site } from '../site/site.ts'
import type { Terminal } from './terminal.ts'

export interface TrustOptions {
  readonly site: string
  readonly json?: boolean
}

/** `lineside trust [SITE]`: lists. `lineside trust DEVICE FINGERPRINT`: accepts. */
export async function trust(words: readonly string[], options: TrustOptions, terminal: Terminal): Promise<number> {
  const [first, fingerprint] = words
  if (first === undefined || fingerprint === undefined) return await list(first ?? options.site, options, terminal)
  const accepted = await trustServer(await siteIn(options.site, terminal), first, fingerprint)
  terminal.out(`${first} trusts the server with the certificate ${accepted} from now on.\n`)
  return 0
}

async function list(folder: string, { json }: TrustOptions, terminal: Terminal): Promise<number> {
  const devices = await siteTrust(await siteIn(folder, terminal))
  if (json) terminal.out(`${JSON.stringify({ devices }, undefined, 2)}\n`)
  else terminal.out(devices.length === 0 ? 'The site has no OPC UA devices.\n' : devices.map(deviceText).join(''))
  return devices.some(({ refused, pinned }) => refused.some(({ fingerprint }) => fingerprint !== pinned)) ? 1 : 0
}

async function siteIn(folder: string, { environment }: Terminal): Promise<Site> {
  const { site } = await loadSite(folder, { environment })
  if (site !== undefined) return site
  throw new Fault('trust.no-site', `There is no site that can run in ${folder}.`, { remedy: `Run: lineside check ${folder}` })
}

function deviceText({ device, pinned, refused }: DeviceTrust): string {
  const trusted = `${device}\n  trusts   ${pinned ?? 'whichever certificate it is shown first'}\n`
  const others = refused.map(
    ({ fingerprint, subject, notAfter, firstSeen }) =>
      `  refused  ${fingerprint}  ${printable(subject)}, valid until ${notAfter || 'nobody knows'}, first seen ${firstSeen}\n`,
  )
  const hint = refused.length === 0 ? '' : `           To trust one: lineside trust ${device} FINGERPRINT\n`
  return trusted + others.join('') + hint
}

/** A certificate may say anything: nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
