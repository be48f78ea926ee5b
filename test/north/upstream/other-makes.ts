import { glob, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, vi } from 'vitest'
import { freePort, startProgram } from '../support/program.ts'

/** nats-server with its MQTT door, which speaks 3.1.1 alone. */
export async function startNats() {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-nats-'))
  const port = await freePort()
  const config = join(folder, 'nats.conf')
  await writeFile(
    config,
    `server_name: test\nhost: 127.0.0.1\nport: ${await freePort()}\njetstream { store_dir: "${folder}" }\nmqtt { host: 127.0.0.1, port: ${port} }\n`,
  )
  const program = startProgram('/usr/sbin/nats-server', ['-c', config])
  await vi.waitFor(() => expect(program.lines.join('\n')).toContain('Server is ready'), { timeout: 10_000 })
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** ejabberd with its MQTT door, which speaks 5 and lets in nobody without a name. Without a node name it needs, and starts, no epmd. */
export async function startEjabberd() {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-ejabberd-'))
  const port = await freePort()
  await mkdir(join(folder, 'spool'))
  const anyone = '{ "#": [{ allow: all }] }'
  const config = [
    'hosts: [localhost]',
    'loglevel: info',
    `listen: [{ port: ${port}, ip: 127.0.0.1, module: mod_mqtt }]`,
    'auth_method: [anonymous]',
    'anonymous_protocol: login_anon',
    'allow_multiple_connections: true',
    `modules: { mod_mqtt: { access_publish: ${anyone}, access_subscribe: ${anyone} } }`,
  ]
  await writeFile(join(folder, 'ejabberd.yml'), `${config.join('\n')}\n`)
  const args = ['-noshell', '-noinput', '-mnesia', 'dir', `"${folder}/spool"`, '-s', 'ejabberd']
  const program = startProgram('/usr/bin/erl', args, {
    ERL_LIBS: await erlangLibraries(),
    ERL_CRASH_DUMP: join(folder, 'crash.dump'),
    EJABBERD_CONFIG_PATH: join(folder, 'ejabberd.yml'),
    EJABBERD_LOG_PATH: join(folder, 'ejabberd.log'),
  })
  await vi.waitFor(() => expect(program.lines.join('\n')).toMatch(/Start accepting .* at 127\.0\.0\.1:\d+ .*mqtt/i), { timeout: 30_000 })
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Debian keeps them beside the other libraries of this kind of processor. */
async function erlangLibraries(): Promise<string> {
  for await (const folder of glob('/usr/lib/*/ejabberd-*')) return dirname(folder)
  throw new Error('ejabberd is not installed')
}
