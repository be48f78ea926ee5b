import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'

const main = new URL('../../bin/lineside.js', import.meta.url).pathname

/** Processes whose command line names the plant and whose parent was `pid`. */
function plantsOf(pid: string): readonly string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && isPlantOf(entry, pid))
}

function isPlantOf(process: string, parent: string): boolean {
  try {
    const isPlant = readFileSync(`/proc/${process}/cmdline`, 'utf8').includes('simulators/main.ts')
    return isPlant && readFileSync(`/proc/${process}/status`, 'utf8').includes(`PPid:\t${parent}\n`)
  } catch {
    return false // it ended while we looked
  }
}

describe('lineside demo', () => {
  it('shows where to look and live numbers of every device, and leaves nothing behind', { timeout: 90_000 }, async () => {
    await using demo = startProgram(process.execPath, [main, 'demo'])
    await vi.waitFor(() => expect(demo.lines.join('\n')).toMatch(/(\d+)\/\1 good/), { timeout: 60_000 })
    const said = demo.lines.join('\n')
    expect(said).toMatch(/6 devices, \d+ tags, 8 flows/)
    const [, state = ''] = /state\s+(\S+)/.exec(said) ?? []
    const [, api = ''] = /(http:\S+)\/api/.exec(said) ?? []
    expect(said).toContain('mqtt://127.0.0.1:')
    expect(said).toContain('opc.tcp://127.0.0.1:')
    const health = async () => (await (await fetch(`${api}/health/ready`)).json()) as { readonly status: string }
    await vi.waitFor(async () => expect((await health()).status).toBe('ready'), { timeout: 30_000 }) // values come before the OPC UA server is open
    const plants = plantsOf(String(demo.pid))
    expect(plants).toHaveLength(1)
    demo.kill('SIGINT')
    expect(await demo.exit).toBe(0)
    expect(readdirSync(tmpdir())).not.toContain(state.split('/').at(-1))
    expect(plants.filter((pid) => isPlantOf(pid, '1') || isPlantOf(pid, String(demo.pid)))).toEqual([])
  })

  it('shows no stack when Ctrl-C is pressed twice while it is still opening', { timeout: 90_000 }, async () => {
    await using demo = startProgram(process.execPath, [main, 'demo'])
    await vi.waitFor(() => expect(demo.lines.join('\n')).toContain('Ctrl-C ends it.'), { timeout: 60_000, interval: 10 })
    const [, state = ''] = /state\s+(\S+)/.exec(demo.lines.join('\n')) ?? []
    await vi.waitFor(() => expect(readdirSync(state).length).toBeGreaterThan(2), { timeout: 60_000, interval: 10 })
    demo.kill('SIGINT')
    demo.kill('SIGINT')
    await demo.exit
    expect(demo.lines.filter((line) => /"stack"|^\s+at /.test(line))).toEqual([])
    await vi.waitFor(() => expect(readdirSync(tmpdir())).not.toContain(state.split('/').at(-1)), { timeout: 20_000 })
  })

  it('leaves no folder behind when Ctrl-C is pressed twice', { timeout: 90_000 }, async () => {
    await using demo = startProgram(process.execPath, [main, 'demo'])
    await vi.waitFor(() => expect(demo.lines.join('\n')).toContain('First values'), { timeout: 60_000 })
    const [, state = ''] = /state\s+(\S+)/.exec(demo.lines.join('\n')) ?? []
    demo.kill('SIGINT')
    demo.kill('SIGINT')
    await demo.exit
    await vi.waitFor(() => expect(readdirSync(tmpdir())).not.toContain(state.split('/').at(-1)), { timeout: 20_000 })
  })
})
