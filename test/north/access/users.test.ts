import { chmod, mkdir, readdir, readFile, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { openAccess } from '../../../src/north/access/access.ts'
import { BackOff } from '../../../src/north/access/back-off.ts'
import { makeFirstUser } from '../../../src/north/access/first-user.ts'
import { hashPassword, matchesPassword } from '../../../src/north/access/password.ts'
import { openUsers } from '../../../src/north/access/users.ts'
import { changeUsers, readUsers } from '../../../src/north/access/users-file.ts'
import { addUser, removeUser, setPassword } from '../../../src/runtime/users.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { memoryLog } from '../broker/gateway.ts'

const right = 'correct horse'

async function startAccess(folder: string) {
  const log = memoryLog()
  const clock = systemClock
  const users = openUsers({ stateFolder: folder, clock, log })
  const access = openAccess({ users, clock, gateway: { site: 'acme', node: 'edge' } })
  const admit = (user: string, password: string, remoteAddress = '10.1.7.20') =>
    access.at('mqtt', undefined).admit({ user, password: Buffer.from(password), remoteAddress })
  const hashed = () => access.metrics().find(({ name }) => name.endsWith('checked_total'))?.value
  return { access, users, admit, hashed, log, [Symbol.asyncDispose]: () => users[Symbol.asyncDispose]() }
}

describe('a password', () => {
  it('is kept as argon2id, and matches itself alone', async () => {
    const hash = await hashPassword(right)
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=7168,t=5,p=1\$[^$]{22}\$[^$]{43}$/)
    expect(await matchesPassword(Buffer.from(right), hash)).toBe(true)
    expect(await matchesPassword(Buffer.from('wrong'), hash)).toBe(false)
  })

  it('matches a hash that the reference implementation has made', async () => {
    // echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32 -e
    const hash = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
    expect(await matchesPassword(Buffer.from('password'), hash)).toBe(true)
  })

  it.each(['', 'secret', '$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'])(
    'matches nothing where its hash is %j',
    async (hash) => {
      expect(await matchesPassword(Buffer.from('secret'), hash)).toBe(false)
    },
  )
})

describe('the list of users', () => {
  it('begins with one admin, whose password is written down for his first login and is gone after it', async () => {
    using state = makeStateFolder()
    const first = await makeFirstUser(state.path)
    expect(first).toMatchObject({ name: 'admin', password: expect.stringMatching(/^(?:[a-z2-9]{5}-){3}[a-z2-9]{5}$/) })
    for (const file of ['users.json', 'first-password']) expect((await stat(join(state.path, file))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(state.path, 'first-password'), 'utf8')).toBe(`${first?.password}\n`)
    expect(await readFile(join(state.path, 'users.json'), 'utf8')).not.toContain(first?.password)
    expect(await makeFirstUser(state.path)).toBeUndefined()
    await using access = await startAccess(state.path)
    expect(await access.admit('admin', first?.password ?? '')).toMatchObject({ isAdmitted: true, role: 'admin', name: 'admin' })
    await vi.waitFor(async () => expect(await readdir(state.path)).toEqual(['users.json']))
  })

  it('stays without the first one as long as his password cannot be written down, for nobody could come in by it', async () => {
    using state = makeStateFolder()
    const inTheWay = join(state.path, 'first-password')
    await mkdir(inTheWay)
    await expect(makeFirstUser(state.path)).rejects.toMatchObject({ code: 'access.first-password-unwritable', isRetryable: true })
    expect(await readUsers(state.path)).toEqual([])
    await rmdir(inTheWay)
    const first = await makeFirstUser(state.path)
    expect(await readFile(inTheWay, 'utf8')).toBe(`${first?.password}\n`)
    expect((await readUsers(state.path)).map(({ name }) => name)).toEqual(['admin'])
  })

  it('leaves no password behind of a first one who cannot be added to it', async () => {
    using state = makeStateFolder()
    await writeFile(join(state.path, 'users.json.new'), '') // somebody else is at it
    await expect(makeFirstUser(state.path)).rejects.toMatchObject({ code: 'access.users-busy' })
    expect(await readdir(state.path)).toEqual(['users.json.new'])
  })

  it('keeps whoever was added while the first one was made', async () => {
    using state = makeStateFolder()
    const making = makeFirstUser(state.path)
    await changeUsers(state.path, () => [{ name: 'anna', role: 'admin', certificates: ['anna.example'] }])
    expect(await making).toBeUndefined()
    expect((await readUsers(state.path)).map(({ name }) => name)).toEqual(['anna'])
    expect(await readdir(state.path)).toEqual(['users.json'])
  })

  it('counts as it is changed, without a restart', async () => {
    using state = makeStateFolder()
    await using access = await startAccess(state.path)
    await addUser(state.path, { name: 'anna', role: 'admin', password: right })
    await addUser(state.path, { name: 'bob', role: 'viewer', password: right })
    const bob = await access.admit('bob', right)
    expect(bob).toMatchObject({ isAdmitted: true, role: 'viewer' })
    await setPassword(state.path, 'bob', 'battery staple')
    await vi.waitFor(() => expect(bob.isAdmitted && bob.isValid()).toBe(false), 5_000)
    expect(await access.admit('bob', right)).toMatchObject({ isAdmitted: false })
    expect(await access.admit('bob', 'battery staple')).toMatchObject({ isAdmitted: true })
    await removeUser(state.path, 'bob')
    await vi.waitFor(async () => expect(await access.admit('bob', 'battery staple')).toMatchObject({ isAdmitted: false }), 5_000)
    await expect(removeUser(state.path, 'anna')).rejects.toMatchObject({ code: 'user.last-admin' })
  })

  it('lets go of a viewer also where there is no admin yet', async () => {
    using state = makeStateFolder()
    await addUser(state.path, { name: 'mes', role: 'viewer', password: right })
    await removeUser(state.path, 'mes')
    await expect(removeUser(state.path, 'mes')).rejects.toMatchObject({ code: 'user.unknown' })
  })

  it('goes on to count as it was while it cannot be read, and says so once', async () => {
    using state = makeStateFolder()
    await addUser(state.path, { name: 'anna', role: 'admin', password: right })
    await using access = await startAccess(state.path)
    await access.admit('anna', right)
    await writeFile(join(state.path, 'users.json'), '{"version":1,"users":[{"name":"../x"}]}')
    await vi.waitFor(() => expect(access.log.lines).toHaveLength(1), 5_000)
    expect(await access.admit('anna', right)).toMatchObject({ isAdmitted: true })
    expect(access.log.lines[0]).toMatchObject({ level: 'error', fields: { code: 'access.users-unreadable' } })
  })

  it('is changed by one at a time, and what a killed editor left is no hindrance', async () => {
    using state = makeStateFolder()
    const draft = join(state.path, 'users.json.new')
    await writeFile(draft, '')
    const add = () => addUser(state.path, { name: 'anna', role: 'admin', password: right })
    await expect(add()).rejects.toMatchObject({ code: 'access.users-busy' })
    await utimes(draft, 0, 0)
    await add()
    expect((await readUsers(state.path)).map(({ name }) => name)).toEqual(['anna'])
    await expect(
      changeUsers(state.path, () => {
        throw new Error('no')
      }),
    ).rejects.toThrow()
    expect(await readdir(state.path)).toEqual(['users.json'])
  })

  it.each([
    [{ name: 'a b', role: 'viewer' }],
    [{ name: 'x'.repeat(65), role: 'viewer' }],
    [{ name: 'anna', role: 'viewer', read: ['a/#/b'] }],
    [{ name: 'anna', role: 'viewer', write: ['a+'] }],
  ] as const)('does not take %j', async (user) => {
    using state = makeStateFolder()
    await expect(addUser(state.path, { ...user, password: right } as never)).rejects.toMatchObject({ code: 'usage.user' })
    await chmod(state.path, 0o700)
    expect(await readdir(state.path)).toEqual([])
  })
})

describe('checking credentials', () => {
  it('works a password out once, however many come with it at once and again', async () => {
    using state = makeStateFolder()
    await addUser(state.path, { name: 'anna', role: 'admin', password: right })
    await using access = await startAccess(state.path)
    const all = await Promise.all(Array.from({ length: 500 }, () => access.admit('anna', right)))
    expect(all.every(({ isAdmitted }) => isAdmitted)).toBe(true)
    await access.admit('anna', right, '10.1.7.21')
    expect(access.hashed()).toBe(1)
  })

  it('refuses a thousand wrong passwords a second for little CPU, and lets in whoever is known', { timeout: 30_000 }, async () => {
    using state = makeStateFolder()
    await addUser(state.path, { name: 'anna', role: 'admin', password: right })
    await using access = await startAccess(state.path)
    await access.admit('anna', right)
    const before = process.cpuUsage()
    const started = systemClock.elapsed()
    for (let n = 0; n < 3_000; n += 1) {
      void access.admit(n % 2 === 0 ? 'anna' : `user-${n}`, `wrong ${n}`, `10.1.${n % 7}.20`)
      await systemClock.sleep(Math.max(0, n - (systemClock.elapsed() - started)))
    }
    expect(await access.admit('anna', right)).toMatchObject({ isAdmitted: true })
    const { user, system } = process.cpuUsage(before)
    const share = (user + system) / 1_000 / (systemClock.elapsed() - started)
    expect(share).toBeLessThan(0.6)
    expect(access.hashed()).toBeLessThan(150)
  })

  it('makes whoever tries wait, longer each time, and lets others in meanwhile', async () => {
    const clock = startManualClock()
    const backOff = new BackOff(clock)
    const attack = (times: number) => {
      for (let n = 0; n < times; n += 1) backOff.tried('10.0.0.1', 'anna')
    }
    attack(4)
    expect(backOff.isHeld('10.0.0.1', 'anna')).toBe(false)
    attack(1)
    expect(backOff.isHeld('10.0.0.1', 'anna')).toBe(true)
    expect(backOff.isHeld('10.0.0.2', 'anna')).toBe(false)
    expect(backOff.isHeld('10.0.0.1', 'bob')).toBe(false)
    await clock.advance(1_100)
    expect(backOff.isHeld('10.0.0.1', 'anna')).toBe(false)
    attack(10)
    await clock.advance(50_000)
    expect(backOff.isHeld('10.0.0.1', 'anna')).toBe(true)
    backOff.succeeded('10.0.0.1', 'anna')
    expect(backOff.isHeld('10.0.0.1', 'anna')).toBe(false)
  })

  it('takes the addresses of one IPv6 network for one, and remembers no more than it may', () => {
    const backOff = new BackOff(startManualClock())
    for (let n = 0; n < 20; n += 1) backOff.failed(`2001:db8:1:2::${n}`)
    expect(backOff.isHeld('2001:db8:1:2:ffff::1', 'anybody')).toBe(true)
    expect(backOff.isHeld('2001:db8:1:3::1', 'anybody')).toBe(false)
    for (let n = 0; n < 20_000; n += 1) backOff.tried('10.0.0.1', `user-${n}`)
    expect(backOff.size).toBe(10_000)
  })

  it('takes a certificate for the user who has its name, and for no other', async () => {
    using state = makeStateFolder()
    await addUser(state.path, { name: 'scale', role: 'engineer', certificates: ['scale.plant.example'] })
    await using access = await startAccess(state.path)
    const certificate = ['scale', 'scale.plant.example']
    expect(await access.access.at('mqtt', undefined).admit({ certificate })).toMatchObject({
      isAdmitted: true,
      name: 'scale',
      role: 'engineer',
    })
    expect(await access.access.at('mqtt', undefined).admit({ certificate, user: 'scale' })).toMatchObject({ isAdmitted: true })
    expect(await access.access.at('mqtt', undefined).admit({ certificate, user: 'admin' })).toMatchObject({ isAdmitted: false })
    expect(await access.access.at('mqtt', undefined).admit({ certificate: ['scale'] })).toMatchObject({ isAdmitted: false })
    expect(await access.admit('scale', '')).toMatchObject({ isAdmitted: false })
  })
})
