import { Fault } from '../base/fault.ts'
import { browsedTrust, type DeviceTrust, siteTrust, trustBrowsed, trustCommand, trustServer } from '../runtime/trust.ts'
import { loadSite } from '../site/load.ts'
import type { Site } from '../site/site.ts'
import { browseStateOf } from './browse-state.ts'
import type { Terminal } from './terminal.ts'

export interface TrustOptions {
  readonly site: string
  readonly json?: boolean
}

/** `lineside trust [SITE]`: lists. `lineside trust DEVICE FINGERPRINT`: accepts. An address in place of a device: that of a server that is browsed. */
export async function trust(words: readonly string[], options: TrustOptions, terminal: Terminal): Promise<number> {
  const [first, fingerprint] = words
  const isServer = first?.startsWith('opc.tcp://') === true
  if (isServer) return await ofServer(first, fingerprint, { options, terminal })
  if (first === undefined || fingerprint === undefined) return await list(first ?? options.site, options, terminal)
  const accepted = await trustServer(await siteIn(options.site, terminal), first, fingerprint)
  terminal.out(`${first} trusts the server with the certificate ${accepted} from now on.\n`)
  return 0
}

interface Asked {
  readonly options: TrustOptions
  readonly terminal: Terminal
}

/** What `browse` and `import` trust: they keep it by the address, for the user who types. */
async function ofServer(url: string, fingerprint: string | undefined, { options, terminal }: Asked): Promise<number> {
  const folder = await browseStateOf(url, terminal.environment)
  if (fingerprint === undefined) return tell([{ device: url, ...(await browsedTrust(folder)) }], { options, terminal })
  const accepted = await trustBrowsed(folder, fingerprint)
  terminal.out(`browse and import trust ${url} with the certificate ${accepted} from now on.\n`)
  return 0
}

async function list(folder: string, options: TrustOptions, terminal: Terminal): Promise<number> {
  const devices = await siteTrust(await siteIn(folder, terminal))
  return tell(devices, { options, terminal, site: folder })
}

function tell(devices: readonly DeviceTrust[], { options, terminal, site }: Asked & { readonly site?: string }): number {
  const texts = devices.map((one) => deviceText(one, site))
  if (options.json) terminal.out(`${JSON.stringify({ devices }, undefined, 2)}\n`)
  else terminal.out(devices.length === 0 ? 'The site has no OPC UA devices.\n' : texts.join(''))
  return devices.some(({ refused, pinned }) => refused.some(({ fingerprint }) => fingerprint !== pinned)) ? 1 : 0
}

async function siteIn(folder: string, { environment }: Terminal): Promise<Site> {
  const { site } = await loadSite(folder, { environment })
  if (site !== undefined) return site
  throw new Fault('trust.no-site', `There is no site that can run in ${folder}.`, { remedy: `Run: lineside check ${folder}` })
}

function deviceText({ device, pinned, refused }: DeviceTrust, site: string | undefined): string {
  const trusted = `${device}\n  trusts   ${pinned ?? 'whichever certificate it is shown first'}\n`
  const where = { name: device, ...(site === undefined || site === '.' ? {} : { site }) }
  const others = refused.map(
    ({ fingerprint, subject, notAfter, firstSeen }) =>
      `  refused  ${fingerprint}  ${printable(subject)}, valid until ${notAfter || 'nobody knows'}, first seen ${firstSeen}\n           To trust it: ${trustCommand(where, fingerprint)}\n`,
  )
  return trusted + others.join('')
}

/** A certificate may say anything: nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
