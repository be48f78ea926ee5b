import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, vi } from 'vitest'
import { type Program, startProgram } from '../north/support/program.ts'

const repository = join(import.meta.dirname, '../..')
const program = '/opt/lineside'
const bootMs = 60_000
const rootMs = 300_000
const execute = promisify(execFile)

/** A Debian with a systemd of its own, booted in a container without network. Needs root, debootstrap and systemd-nspawn. */
export class Container implements AsyncDisposable {
  readonly root: string
  readonly #machine: Program
  #parts = new AsyncDisposableStack()
  #leader = 0

  private constructor(root: string, machine: Program) {
    this.root = root
    this.#machine = machine
  }

  /** `files` are put below its root first; resolves when it has booted. */
  static async boot(files: Readonly<Record<string, string>>): Promise<Container> {
    if (process.getuid?.() !== 0) throw new Error('Booting a container takes root: sudo npm run test:systemd')
    await using parts = new AsyncDisposableStack()
    const root = await mkdtemp(join(tmpdir(), 'lineside-root-'))
    parts.defer(() => rm(root, { recursive: true, force: true }))
    await buildRoot(root)
    await installLineside(root, files)
    const machine = parts.use(startProgram('systemd-nspawn', nspawnArguments(root)))
    const container = new Container(root, machine)
    parts.defer(() => container.#powerOff())
    await vi.waitFor(() => container.#findLeader(), { timeout: bootMs, interval: 100 })
    await vi.waitFor(() => container.#expectBooted(), { timeout: bootMs, interval: 200 })
    container.#parts = parts.move()
    return container
  }

  /** Runs a command inside, as root; what it wrote. Rejects where it fails. */
  async run(...command: readonly string[]): Promise<string> {
    const { stdout } = await execute('nsenter', ['--target', String(this.#leader), '--all', '--', ...command], { timeout: 60_000 })
    return stdout.trim()
  }

  /** One property of the service. */
  async property(name: string): Promise<string> {
    return await this.run('systemctl', 'show', 'lineside.service', '--property', name, '--value')
  }

  /** Answer of the daemon's HTTP, asked from inside; undefined while nobody listens. */
  async get(path: string): Promise<string | undefined> {
    const script = `const answer = await fetch('http://127.0.0.1:8080${path}'); process.stdout.write(answer.status + ' ' + await answer.text())`
    return await this.run(`${program}/node_modules/.bin/node`, '--input-type=module', '--eval', script).catch(() => undefined)
  }

  /** The service's main process as it is numbered outside. */
  async mainPid(): Promise<number> {
    const inside = await this.property('MainPID')
    const home = readlinkSync(`/proc/${this.#leader}/ns/pid`)
    const pid = processes().find((other) => isIn(other, home) && numbersOf(other).at(-1) === inside)
    if (pid === undefined) throw new Error(`no process ${inside} in the container`)
    return pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync()
  }

  /** The container's first process: the only child of systemd-nspawn that is number 1 in a namespace. */
  #findLeader(): void {
    const said = this.#machine.lines.join('\n')
    if (/Operation not permitted|Failed to/.test(said) && !said.includes('Welcome to'))
      throw new Error(`systemd-nspawn cannot run here: ${said}`)
    const leader = processes().find((pid) => parentOf(pid) === this.#machine.pid && numbersOf(pid).at(-1) === '1')
    if (leader === undefined) throw new Error(`the container does not come up: ${said}`)
    this.#leader = leader
  }

  async #expectBooted(): Promise<void> {
    const state = await this.run('sh', '-c', 'systemctl is-system-running || true')
    expect(['running', 'degraded'], this.#machine.lines.slice(-20).join('\n')).toContain(state)
  }

  async #powerOff(): Promise<void> {
    if (this.#leader === 0) return
    await this.run('systemctl', 'poweroff', '--force', '--force').catch(() => {})
    await Promise.race([this.#machine.exit, new Promise((resolve) => setTimeout(resolve, 5_000))])
  }
}

/** A stream of its own for its console: with none at all, systemd as the first process says nothing and ends. */
function nspawnArguments(root: string): readonly string[] {
  const binds = ['bin', 'src', 'node_modules', 'package.json'].map((part) => `--bind-ro=${join(repository, part)}:${program}/${part}`)
  return ['--boot', '--private-network', '--register=no', '--keep-unit', '--console=read-only', '--quiet', ...binds, `--directory=${root}`]
}

/** The smallest Debian with systemd, of this machine's release and from the mirror that its apt uses. */
async function buildRoot(root: string): Promise<void> {
  const release = /VERSION_CODENAME=(\S+)/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''
  const { stdout } = await execute('apt-get', ['indextargets', '--format', '$(SITE) $(RELEASE) $(COMPONENT)', 'Created-By: Packages'])
  const [mirror] =
    stdout
      .split('\n')
      .find((line) => line.endsWith(` ${release} main`))
      ?.split(' ') ?? []
  if (mirror === undefined) throw new Error(`apt knows no mirror of ${release} main`)
  try {
    await execute('debootstrap', ['--variant=minbase', '--include=systemd,dbus', release, root, mirror], {
      timeout: rootMs,
      maxBuffer: 16 * 1024 ** 2,
    })
  } catch (error) {
    throw new Error(`debootstrap cannot build a root here: ${String((error as { stdout?: string }).stdout ?? error).slice(-1_000)}`)
  }
  await chmod(root, 0o755)
}

/** As a package would: unit, user, folders and program; and the site's files. */
async function installLineside(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  const systemd = join(repository, 'systemd')
  await install(join(systemd, 'lineside.service'), join(root, 'usr/lib/systemd/system/lineside.service'))
  await install(join(systemd, 'lineside.sysusers'), join(root, 'usr/lib/sysusers.d/lineside.conf'))
  await install(join(systemd, 'lineside.tmpfiles'), join(root, 'usr/lib/tmpfiles.d/lineside.conf'))
  const start = `#!/bin/sh\nexec ${program}/node_modules/.bin/node ${program}/bin/lineside.js "$@"\n`
  for (const [file, text] of Object.entries({ ...files, 'usr/bin/lineside': start })) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  await chmod(join(root, 'usr/bin/lineside'), 0o755)
  for (const part of ['bin', 'src', 'node_modules']) await mkdir(join(root, program, part), { recursive: true })
  await writeFile(join(root, program, 'package.json'), '')
  const wanted = join(root, 'etc/systemd/system/multi-user.target.wants')
  await mkdir(wanted, { recursive: true })
  await symlink('/usr/lib/systemd/system/lineside.service', join(wanted, 'lineside.service'))
}

async function install(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await copyFile(from, to)
}

function processes(): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
}

/** Its numbers, in each namespace from ours to its own. */
function numbersOf(pid: number): readonly string[] {
  return statusOf(pid, 'NSpid').split('\t')
}

function parentOf(pid: number): number {
  return Number(statusOf(pid, 'PPid'))
}

function statusOf(pid: number, name: string): string {
  try {
    return new RegExp(`^${name}:\t(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
  } catch {
    return '' // it ended while we looked
  }
}

function isIn(pid: number, namespace: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === namespace
  } catch {
    return false
  }
}
