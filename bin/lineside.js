#!/usr/bin/env node
// The one file that is not TypeScript. Node keeps the compiler that a .ts entry needs for as long as the process lives (19 MB); begun here, all code
// comes compiled from the cache, and only the first start after a change pays for compiling.
import module from 'node:module'
import { availableParallelism, homedir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'

// 24.7 brings argon2, which keeps the passwords. An older Node must get as far as this line: no import above names what it does not have.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 7)) {
  process.stderr.write(
    `Lineside needs Node 24.7 or later, and this is ${process.version}.\n    Put a newer Node first in PATH, or use \`npm run\`.\n`,
  )
  process.exit(2)
}

// glibc gives each thread an arena of its own, and what is free in one is of no use to another: with two in all the daemon takes some 7 MB less.
// The limit counts only where a process begins with it, so this one begins again, in place: the same process id, 40 ms later.
const isDaemon = process.argv[2] === 'run' || process.argv[2] === 'demo'
// A browse makes garbage as fast as a server answers: V8 would give it 100 MB of young generation before it ever collected.
const walks = process.argv[2] === 'browse' || process.argv[2] === 'import'
// Where there are two cores, V8's usual four helpers do little but hold up the three rooms while one of them collects: the slowest hundredth of reactions to a
// pulse took 12 to 15 ms with four, 9 to 10 ms with one. Two are as fast as one, and sweep in time: with one a thousand runs at once cost 10 MB more.
const helpers = availableParallelism() <= 2 ? ['--v8-pool-size=2'] : []
// What a large OPC UA notification is decoded into is all alive when a collection comes in between. V8 learns from it to make such objects among what is old from the
// start, where only collections of the whole heap find them again, one after the other: 80,000 changes a second cost a quarter more of everything.
const young = ['--no-allocation-site-pretenuring']
if ((isDaemon || walks) && process.platform === 'linux' && process.env['MALLOC_ARENA_MAX'] === undefined) {
  const flags = walks ? ['--max-semi-space-size=4'] : [...helpers, ...young]
  const again = [process.execPath, ...flags, ...process.execArgv, ...process.argv.slice(1)]
  process.execve(process.execPath, again, { ...process.env, MALLOC_ARENA_MAX: '2' })
}

// Once memory is saved (runtime/thrift.ts), V8's idle collections would double what a small site costs, and free nothing that is worth it.
setFlagsFromString('--no-memory-reducer')

// A cache of the user's own (systemd's CacheDirectory, else ~/.cache), not one in the shared /tmp, where others could put theirs.
const { CACHE_DIRECTORY, XDG_CACHE_HOME, NODE_COMPILE_CACHE } = process.env
const cacheFolder = NODE_COMPILE_CACHE ?? join(CACHE_DIRECTORY ?? XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lineside')
module.enableCompileCache(cacheFolder)
process.env['NODE_COMPILE_CACHE'] = cacheFolder // the only way by which threads learn of it

await import('../src/main.ts')
