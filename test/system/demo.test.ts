import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { childrenOf, isChildOf } from '../support/children.ts'

const main = new URL('../../bin/lineside.js', import.meta.url).pathname

/** Processes whose command line names the plant and whose parent was `pid`. */
function plantsOf(pid: string): readonly string[] {
  return childrenOf(pid, 'simulators/main.ts')
}

function isPlantOf(process: string, parent: string): boolean {
  return isChildOf(process, parent, 'simulators/main.ts')
}

/** A demo in a process group of its own, as a terminal has it, and a folder of its own for what is temporary. */
function startInTerminal() {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-terminal-'))
  const child = spawn(process.execPath, [main, 'demo'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
  })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => said.push(String(text)))
  const end = once(child, 'close')
  const toAll = (signal: NodeJS.Signals): void => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), signal)
  }
  return {
    folder,
    pid: String(child.pid),
    said: () => said.join(''),
    exit: end.then(([code, signal]) => code ?? signal),
    /** As Ctrl-C does: it reaches whatever the demo has started, too. */
    pressCtrlC: () => toAll('SIGINT'),
    [Symbol.asyncDispose]: async () => {
      toAll('SIGKILL')
      await end
      rmSync(folder, { recursive: true, force: true })
    },
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

  it('leaves nothing behind when Ctrl-C is pressed in its terminal while it reads its site', { timeout: 90_000 }, async () => {
    await using demo = startInTerminal()
    await vi.waitFor(() => expect(childrenOf(demo.pid, 'load-process')).toHaveLength(1), { timeout: 60_000, interval: 5 })
    demo.pressCtrlC()
    expect(await demo.exit).toBe(0)
    expect(demo.said()).not.toMatch(/Fault|Error|^\s+at /m)
    expect(readdirSync(demo.folder)).toEqual([])
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
