import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'

/** Whether the files are there that the broker's encryption needs; only a doubt, for they may be those of another machine. */
export function checkCertificates(
  { site }: LoadedParts,
  { problems, folder }: { readonly problems: ProblemList; readonly folder: string },
): void {
  const tls = site?.part.keys.mqtt?.tls
  if (site === undefined || tls === undefined) return
  for (const key of ['cert', 'key', 'ca'] as const) {
    const file = tls[key]
    if (file === undefined || existsSync(resolve(folder, file))) continue
    problems.add(
      site.source,
      { path: ['mqtt', 'tls', key] },
      {
        code: 'mqtt.certificate-missing',
        message: `There is no file ${file} on this machine, and without it the gateway does not start.`,
        remedy: 'Put it there, readable by the gateway, or mend the path: it is relative to lineside.yaml.',
        severity: 'warning',
      },
    )
  }
}
