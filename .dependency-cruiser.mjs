/**
 * The import table of docs/architecture.md, as rules. test/tooling/imports.test.ts plants a violation of each rule and sees it caught,
 * so that a checker that sees nothing (dependency-cruiser without a parser for our syntax is green with 0 modules) cannot pass.
 */

/** Folder → what it may import beside itself. A path with a dot is that file alone; `config.ts` is any file of that name, or `…-config.ts`. */
export const mayImport = {
  base: [],
  model: ['base'],
  site: ['base', 'model', 'config.ts'],
  store: ['base', 'model'],
  south: ['base', 'model'],
  control: ['base', 'model', 'south', 'store/contract.ts'],
  north: ['base', 'model', 'control/contract.ts', 'store/contract.ts'],
  runtime: ['base', 'model', 'site', 'store', 'south', 'control', 'north'],
  cli: ['base', 'model', 'site', 'runtime'],
  'main.ts': ['base', 'model', 'site', 'runtime', 'cli'],
}

/** npm package → the only folders that may import it. */
export const homes = {
  pino: 'base',
  '@marcbachmann/cel-js': 'model',
  yaml: 'site',
  'csv-parse': 'site',
  'csv-stringify': 'site',
  'better-sqlite3': 'store',
  'modbus-serial': 'south/modbus',
  'node-opcua-client': 'south/opcua',
  croner: ['control', 'site'],
  cockatiel: 'control',
  aedes: 'north/broker',
  'mqtt-packet': 'north/broker',
  ws: 'north/broker',
  mqtt: 'north/upstream',
  fastify: 'north/api',
  'node-opcua-server': 'north/opcua-server',
  koffi: ['runtime', 'south/modbus'],
  commander: 'cli',
}

/** What the client and the server of node-opcua have in common: at home where either of them is. */
const opcuaCommon = 'node-opcua-(?!client/|server/)[^/]+'

/** Rooms whose sub-folders do not know each other. */
export const roomsOfStrangers = ['south', 'north']

const escaped = (text) => text.replaceAll('.', '\\.')
const place = (name) => (name.endsWith('.ts') ? `^src/${escaped(name)}$` : `^src/${name}/`)
const places = (names) => names.map((name) => (name === 'config.ts' ? '[/-]config\\.ts$' : place(name)))
const packageFolder = (name) => `(^|/)node_modules/${name}/`

const folderRules = Object.entries(mayImport).map(([folder, allowed]) => ({
  name: `${folder}-imports`,
  comment: `src/${folder} may import ${allowed.length === 0 ? 'nothing of ours' : allowed.join(', ')}.`,
  severity: 'error',
  from: { path: place(folder) },
  to: { path: '^src/', pathNot: places([folder, ...allowed]) },
}))

const homeRules = Object.entries(homes).map(([name, home]) => ({
  name: `home-of-${name}`,
  comment: `Only src/${[home].flat().join(' and src/')} may import ${name}.`,
  severity: 'error',
  from: { path: '^src/', pathNot: [home].flat().map(place) },
  to: { path: packageFolder(name) },
}))

const opcuaCommonRule = {
  name: 'home-of-node-opcua-common',
  comment: 'Only src/south/opcua and src/north/opcua-server may import parts of node-opcua.',
  severity: 'error',
  from: { path: '^src/', pathNot: [place('south/opcua'), place('north/opcua-server')] },
  to: { path: packageFolder(opcuaCommon) },
}

const strangerRules = roomsOfStrangers.map((room) => ({
  name: `${room}-strangers`,
  comment: `The parts of src/${room} do not know each other: declare the small interface you need, thread.ts passes the real thing in.`,
  severity: 'error',
  from: { path: `^src/${room}/([^/]+)/` },
  to: { path: `^src/${room}/[^/]+/`, pathNot: `^src/${room}/$1/` },
}))

/** `config.ts` is what `lineside check` loads for a part, so nothing heavy may hang on it, however far away. */
const light = ['zod', '@marcbachmann/cel-js']
const heavy = Object.keys(homes).filter((name) => !light.includes(name) && name !== 'yaml' && name !== 'pino')

export default {
  forbidden: [
    { name: 'no-cycles', comment: 'Type-only cycles count too.', severity: 'error', from: {}, to: { circular: true } },
    ...folderRules,
    ...homeRules,
    opcuaCommonRule,
    ...strangerRules,
    {
      name: 'home-for-every-package',
      comment: 'A package gets a home in the table (docs/architecture.md and here) before it is imported.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '(^|/)node_modules/', pathNot: ['zod', '@types', opcuaCommon, ...Object.keys(homes)].map(packageFolder) },
    },
    {
      name: 'config-is-light',
      comment: '`lineside check` loads every config.ts: no protocol library, store or server may hang on one.',
      severity: 'error',
      from: { path: '^src/.*[/-]config\\.ts$' },
      to: { path: heavy.map(packageFolder), reachable: true },
    },
    {
      name: 'src-stands-alone',
      comment: 'The product does not import its tests, benches or simulators.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|web)/' },
    },
    {
      name: 'simulators-share-no-code',
      comment: 'A simulator that shares code with what it tests is wrong in the same way.',
      severity: 'error',
      from: { path: '^simulators/' },
      to: { path: '^src/' },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere is one no rule can see.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true, // type-only imports couple rooms as well
    doNotFollow: { path: '(^|/)node_modules/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.d.ts'],
    },
  },
}
