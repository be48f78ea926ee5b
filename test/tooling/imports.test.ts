import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cruise, cruise } from '../support/depcruise.ts'

const repository = join(import.meta.dirname, '../..')
const config = join(repository, '.dependency-cruiser.mjs')

/** One violation of each rule: [rule, the file, what it says]. The table stands here a second time on purpose. */
const planted: readonly (readonly [rule: string, file: string, text: string])[] = [
  ['no-cycles', 'src/base/round.ts', "import type { About } from './about.ts'\nexport type Round = About"],
  ['base-imports', 'src/base/a.ts', "import '../model/free.ts'"],
  ['model-imports', 'src/model/a.ts', "import type { Free } from '../site/free.ts'\nexport type A = Free"],
  ['site-imports', 'src/site/a.ts', "import '../south/free.ts'"],
  ['store-imports', 'src/store/a.ts', "export * from '../control/free.ts'"],
  ['south-imports', 'src/south/a.ts', "import '../store/contract.ts'"],
  ['control-imports', 'src/control/a.ts', "export const load = () => import('../store/free.ts')"],
  ['north-imports', 'src/north/a.ts', "export type A = import('../south/free.ts').Free"],
  ['runtime-imports', 'src/runtime/a.ts', "import '../cli/free.ts'"],
  ['cli-imports', 'src/cli/a.ts', "import { type Free } from '../store/contract.ts'\nexport type A = Free"],
  ['main.ts-imports', 'src/main.ts', "import './control/free.ts'"],
  ['home-of-pino', 'src/model/b.ts', "import 'pino'"],
  ['home-of-@marcbachmann/cel-js', 'src/base/b.ts', "import '@marcbachmann/cel-js'"],
  ['home-of-yaml', 'src/cli/b.ts', "import 'yaml'"],
  ['home-of-csv-parse', 'src/cli/d.ts', "import 'csv-parse/sync'"],
  ['home-of-csv-stringify', 'src/south/d.ts', "import 'csv-stringify/sync'"],
  ['home-of-better-sqlite3', 'src/north/b.ts', "import type { Database } from 'better-sqlite3'\nexport type B = Database"],
  ['home-of-modbus-serial', 'src/south/opcua/b.ts', "import 'modbus-serial'"],
  ['home-of-node-opcua-client', 'src/south/modbus/b.ts', "import 'node-opcua-client'"],
  ['home-of-croner', 'src/south/b.ts', "import 'croner'"],
  ['home-of-cockatiel', 'src/store/b.ts', "import 'cockatiel'"],
  ['home-of-aedes', 'src/north/upstream/b.ts', "import 'aedes'"],
  ['home-of-mqtt', 'src/north/broker/b.ts', "import 'mqtt'"],
  ['home-of-mqtt-packet', 'src/north/upstream/c.ts', "import 'mqtt-packet'"],
  ['home-of-ws', 'src/north/api/c.ts', "import 'ws'"],
  ['home-of-fastify', 'src/runtime/b.ts', "import 'fastify'"],
  ['home-of-node-opcua-server', 'src/north/api/b.ts', "import 'node-opcua-server'"],
  ['home-of-node-opcua-common', 'src/control/c.ts', "import 'node-opcua-variant'"],
  ['home-of-koffi', 'src/control/b.ts', "import 'koffi'"],
  ['home-of-commander', 'src/site/b.ts', "import 'commander'"],
  ['south-strangers', 'src/south/modbus/a.ts', "import type { Free } from '../opcua/free.ts'\nexport type A = Free"],
  ['north-strangers', 'src/north/broker/a.ts', "import '../api/free.ts'"],
  ['home-for-every-package', 'src/base/c.ts', "import 'fast-check'"],
  ['config-is-light', 'src/south/modbus/config.ts', "import './client.ts'"],
  ['src-stands-alone', 'src/base/d.ts', "import '../../test/free.ts'"],
  ['simulators-share-no-code', 'simulators/a.ts', "import '../src/base/free.ts'"],
  ['resolvable', 'src/base/e.ts', "import './nowhere.ts'"],
]

/** What the table allows; none of these may be reported. */
const allowed: readonly (readonly [file: string, text: string])[] = [
  ['src/base/about.ts', "import type { Round } from './round.ts'\nexport type About = Round"],
  [
    'src/site/ok.ts',
    "import '../south/opcua/config.ts'\nimport '../south/tag-config.ts'\nimport '../base/free.ts'\nimport 'yaml'\nimport 'zod'",
  ],
  ['src/south/tag-config.ts', "import 'zod'"],
  ['src/south/opcua/config.ts', "import 'zod'\nimport '../../model/free.ts'"],
  ['src/control/ok.ts', "import '../store/contract.ts'\nimport '../south/modbus/free.ts'\nimport 'croner'"],
  ['src/north/api/ok.ts', "import '../../control/contract.ts'\nimport '../../store/contract.ts'\nimport 'fastify'\nimport '../free.ts'"],
  ['src/runtime/ok.ts', "import '../north/free.ts'\nimport '../control/free.ts'\nimport '../store/free.ts'\nimport 'koffi'"],
  ['src/cli/ok.ts', "import '../runtime/free.ts'\nimport '../site/free.ts'\nimport 'commander'"],
  ['src/south/modbus/client.ts', "import 'modbus-serial'\nimport 'koffi'"],
]

const free = [
  ...['base', 'model', 'site', 'store', 'south', 'south/modbus', 'south/opcua', 'control', 'north', 'north/api', 'runtime', 'cli'].map(
    (folder) => `src/${folder}/free.ts`,
  ),
  'src/store/contract.ts',
  'src/control/contract.ts',
  'test/free.ts',
]

function plant(folder: string): void {
  const write = (file: string, text: string): void => {
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    writeFileSync(join(folder, file), `${text}\n`)
  }
  for (const file of free) write(file, 'export type Free = number\nexport const free = 1')
  for (const [file, text] of allowed) write(file, text)
  for (const [, file, text] of planted) write(file, text)
  const packages = planted.flatMap(([, , text]) => /(?:import|from) '([^.'][^']*)'/.exec(text)?.[1] ?? [])
  for (const name of ['zod', ...packages]) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', type: 'module', exports: './index.js' }))
    write(`node_modules/${name}/index.js`, 'export {}')
  }
  write(
    'package.json',
    JSON.stringify({ type: 'module', dependencies: Object.fromEntries(['zod', ...packages].map((name) => [name, '1'])) }),
  )
  copyFileSync(config, join(folder, '.dependency-cruiser.mjs'))
}

describe('the import table', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-imports-'))
  let seen: Cruise = { modules: [], violations: [] }
  beforeAll(async () => {
    plant(folder)
    seen = await cruise(folder, '.dependency-cruiser.mjs', ['src', 'simulators'])
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(planted)('catches a violation of %s', (rule, file) => {
    const found = seen.violations.filter(({ from, to }) => from === file || to === file) // a cycle is reported at either of its ends
    expect(found.map((violation) => violation.rule)).toContain(rule)
  })

  it('has a planted violation for each of its rules', async () => {
    const { default: rules } = (await import(config)) as { default: { forbidden: readonly { name: string }[] } }
    expect(planted.map(([rule]) => rule).sort()).toEqual(rules.forbidden.map((rule) => rule.name).sort())
  })

  it('reports nothing that it allows', () => {
    const innocent = new Set(allowed.map(([file]) => file))
    const unjust = seen.violations.filter(({ rule, from }) => innocent.has(from) && rule !== 'no-cycles')
    expect(unjust).toEqual([])
  })
})

describe('the import check of this repository', () => {
  it('sees every source file, what they import, and no violation', { timeout: 90_000 }, async () => {
    const seen = await cruise(repository, '.dependency-cruiser.mjs', ['src', 'simulators'])
    const sources = new Set(seen.modules.map((module) => module.source))
    const files = globSync('{src,simulators}/**/*.ts', { cwd: repository })
    expect(files.length).toBeGreaterThan(20)
    expect(files.filter((file) => !sources.has(file))).toEqual([])
    expect(seen.modules.flatMap((module) => module.dependencies).length).toBeGreaterThan(files.length)
    expect(seen.violations).toEqual([])
  })
})
