import { runProgram } from './cli/program.ts'

// `lineside check | head` closes our output early: that is no failure of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

// Nothing is open any more, and all is said. What Node would still clean up once turned for ever, at a whole core and where no timer of ours is heard.
process.once('exit', () => process.exit())

process.exitCode = await runProgram(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  environment: process.env,
  ...(process.stdout.isTTY ? { screen: process.stdout } : {}),
})
