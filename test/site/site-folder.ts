import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type LoadedSite, type LoadOptions, loadSite } from '../../src/site/load.ts'

export type Files = Readonly<Record<string, string | Uint8Array>>

/** A temporary folder with these files, gone when it is disposed of. */
export async function siteFolder(files: Files): Promise<AsyncDisposable & { readonly path: string; write(files: Files): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'lineside-site-'))
  const write = async (more: Files): Promise<void> => {
    for (const [file, text] of Object.entries(more)) {
      await mkdir(dirname(join(path, file)), { recursive: true })
      await writeFile(join(path, file), text)
    }
  }
  await write(files)
  return { path, write, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export async function loadFiles(files: Files, options: LoadOptions = { environment: {} }): Promise<LoadedSite> {
  await using folder = await siteFolder(files)
  return await loadSite(folder.path, options)
}

/** `code at line:column` of each problem of a file. */
export async function problemsOf(files: Files, options?: LoadOptions): Promise<readonly string[]> {
  const { problems } = await loadFiles(files, options)
  return problems.map(({ file, line, column, code }) => `${file}:${line}:${column} ${code}`)
}

export const siteYaml = 'site: acme/munich/line-1\n'

export const deviceYaml = `device: press-07
driver: modbus-tcp
connection: { host: 127.0.0.1 }
scan: { fast: 100ms }
tags:
  hydraulics/pressure: { at: hr:100, type: f32, scan: fast, unit: bar }
  motor/running: { at: hr:40.3, type: bool }
  recipe/setpoint: { at: hr:200, type: u16, write: { min: 0, max: 220, interlock: "!tags['motor/running']" } }
`

export const flowYaml = `flow: watch
on:
  - tag: press-07/hydraulics/pressure
    when: value > 210 && tags['press-07/motor/running']
steps:
  - id: lower
    write: { press-07/recipe/setpoint: 100 }
    undo: []
  - id: tell
    publish: { topic: messages/press, payload: { text: "Pressure is \${value}" } }
`

export const goodSite: Files = { 'lineside.yaml': siteYaml, 'devices/press-07.yaml': deviceYaml, 'flows/watch.yaml': flowYaml }
