#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// Compiled code is kept in a cache of the user's own (systemd's CacheDirectory, else ~/.cache), not in the shared /tmp where others could put theirs.
// It takes a third off the start of each command, and some 45 MB off the daemon, which then needs no TypeScript compiler in its threads.
const { CACHE_DIRECTORY, XDG_CACHE_HOME, NODE_COMPILE_CACHE } = process.env
const cacheFolder = NODE_COMPILE_CACHE ?? join(CACHE_DIRECTORY ?? XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'lineside')
enableCompileCache(cacheFolder)
process.env['NODE_COMPILE_CACHE'] = cacheFolder // the only way by which threads learn of it
const { runProgram } = await import('./cli/program.ts')

// `lineside check | head` closes our output early: that is no failure of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

const { columns, rows, isTTY } = process.stdout
process.exitCode = await runProgram(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  environment: process.env,
  ...(isTTY ? { screen: { columns, rows } } : {}),
})
