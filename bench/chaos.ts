import { parseArgs } from 'node:util'
import type { Chaos, Loss } from './chaos/loss.ts'
import { endSoon } from './end.ts'

/** Fault schedules: each runs the product against peers that misbehave by a seeded plan, and looks for anything lost or wrong. */
const schedules: Readonly<Record<string, () => Promise<Chaos>>> = {
  flows: async () => (await import('./chaos/flows/chaos.ts')).chaosFlows,
  south: async () => (await import('./chaos/south/chaos.ts')).chaosSouth,
  upstream: async () => (await import('./chaos/upstream/chaos.ts')).chaosUpstream,
}

const usage = `npm run chaos [NAME…] -- [--minutes N] [--seed S]
  NAME       ${Object.keys(schedules).join(', ')} (default: all)
  --minutes  how long each schedule runs (default: 1)
  --seed     repeats a run: the same seed makes the same plan (default: any)`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { minutes: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  })
  const names = positionals.length === 0 ? Object.keys(schedules) : positionals
  const minutes = Number(values.minutes ?? 1)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32))
  const isUsable = names.every((name) => Object.hasOwn(schedules, name)) && minutes > 0 && Number.isInteger(seed) && seed >= 0
  if (values.help || !isUsable) {
    process.stderr.write(`${usage}\n`)
    return values.help ? 0 : 2
  }
  const losses: Loss[] = []
  for (const name of names) {
    say(`${name}: seed ${seed}, ${minutes} min`)
    const found = await (await schedules[name]?.())?.({ minutes, seed, say })
    losses.push(...(found ?? []))
    for (const loss of found ?? []) say(lossText(name, loss))
  }
  say(losses.length === 0 ? 'Nothing was lost.' : `${losses.length} losses.`)
  return losses.length === 0 ? 0 : 1
}

function say(text: string): void {
  process.stdout.write(`${new Date().toISOString()}  ${text}\n`)
}

function lossText(name: string, { what, seed }: Loss): string {
  return `LOSS  ${what}\n      repeat with: npm run chaos ${name} -- --minutes 0.1 --seed ${seed}`
}

process.exitCode = await main()
endSoon()
