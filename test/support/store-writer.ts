// A process that writes to a store until it is killed, and says on standard output what has been acknowledged: `out N`, `event N`, `run N`.
import { writeSync } from 'node:fs'
import { epochMs } from '../../src/base/clock.ts'
import { event, message, openTestStore } from './store-samples.ts'

const [, , path = '', from = '0'] = process.argv
const store = await openTestStore(path)
let next = Number(from)

async function writeOne(): Promise<void> {
  for (;;) {
    const number = next
    next += 1
    const run = `run-${number}`
    const told = await Promise.all([
      store.accept([message(String(number))]).then(() => `out ${number}\n`),
      store.append([event('test.written', { number })]).then(() => `event ${number}\n`),
      store
        .recordRuns({ records: [{ kind: 'begun', run, flow: 'f', timeMs: epochMs(1), definition: '{}', input: '{}' }] })
        .then(() => store.recordRuns({ records: [{ kind: 'intent', run, step: 's', timeMs: epochMs(2), data: '{}' }] }))
        .then(() => `run ${number}\n`),
    ])
    writeSync(1, told.join(''))
  }
}

await Promise.all(Array.from({ length: 8 }, writeOne))
