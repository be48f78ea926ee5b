import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Certificates by openssl, as paths of PEM files; gone when it is disposed of. */
export interface Authority extends AsyncDisposable {
  readonly ca: string
  /** `names` as openssl has them: `IP:127.0.0.1`, `DNS:plc-7`. */
  issue(name: string, options: { readonly names: string; readonly days?: number }): Promise<Certificate>
}

export async function startAuthority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-certificates-'))
  const path = (file: string): string => join(folder, file)
  const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const openssl = (...options: readonly string[]): Promise<unknown> => run('openssl', [...options], { timeout: 15_000 })
  await openssl(
    'req',
    '-x509',
    ...keyOptions,
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=Test authority',
  )
  return {
    ca: path('ca.pem'),
    issue: async (name, { names, days = 1 }) => {
      const [key, request, cert, extensions] = [`${name}.key`, `${name}.csr`, `${name}.pem`, `${name}.ext`].map(path) as [
        string,
        string,
        string,
        string,
      ]
      await writeFile(extensions, `subjectAltName=${names}\n`)
      await openssl('req', ...keyOptions, '-keyout', key, '-out', request, '-subj', `/CN=${name}`)
      const signing = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', extensions]
      await openssl('x509', '-req', '-in', request, '-out', cert, '-days', String(days), ...signing)
      return { cert, key }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
