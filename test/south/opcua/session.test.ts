import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { epochMs, systemClock } from '../../../src/base/clock.ts'
import { ownIdentity } from '../../../src/south/opcua/identity.ts'
import { acceptFingerprint, readTrust } from '../../../src/south/opcua/trust.ts'
import { freePort } from '../../north/support/program.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { configFor, connect, latestOf, peerIn, plant, sharedPeer, stateFolder, until } from './opcua-site.ts'

const encrypted = { security: 'Basic256Sha256/SignAndEncrypt' }

/** A certificate and its key, of openssl's making. */
async function userFiles(folder: string): Promise<{ readonly certificate: string; readonly key: string }> {
  const files = { certificate: join(folder, 'user.pem'), key: join(folder, 'user-key.pem') }
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=ann']
  execFileSync('/usr/bin/openssl', [...request, '-keyout', files.key, '-out', files.certificate], { stdio: 'ignore' })
  return files
}

const anns = sharedPeer({ user: 'ann', password: 'right' })

describe('a session', () => {
  it('is for a user with a certificate', async () => {
    await using parts = new AsyncDisposableStack()
    const user = await userFiles(await stateFolder(parts))
    const connection = await connect(parts, anns.url, [plant('Double')], { connection: { ...encrypted, user } })
    expect(await connection.read([0], until())).toMatchObject([{ value: 21.5 }])
    process.env['LINESIDE_SECRET_USER_KEY'] = await readFile(user.key, 'utf8')
    const bySecret = { ...user, key: '${secret:user-key}' }
    await connect(parts, anns.url, [], { connection: { ...encrypted, user: bySecret } })
  })

  it('is refused, with a fault that says whose fault it is, for a user the server does not know', async () => {
    await using parts = new AsyncDisposableStack()
    process.env['LINESIDE_SECRET_WRONG'] = 'wrong'
    const wrong = { ...encrypted, user: 'ann', password: '${secret:wrong}' }
    await expect(connect(parts, anns.url, [], { connection: wrong })).rejects.toMatchObject({ code: 'opcua.user-refused' })
    await expect(connect(parts, anns.url, [], { connection: encrypted })).rejects.toMatchObject({ code: 'opcua.user-kind' })
    const lost = { ...encrypted, user: { certificate: '/nowhere.pem', key: '/nowhere.pem' } }
    await expect(connect(parts, anns.url, [], { connection: lost })).rejects.toMatchObject({ code: 'opcua.user-certificate' })
  })

  it('sends no password that could be read on the way, unless the site says so', async () => {
    await using parts = new AsyncDisposableStack()
    process.env['LINESIDE_SECRET_RIGHT'] = 'right'
    const connection = { security: 'None', user: 'ann', password: '${secret:right}' }
    await connect(parts, anns.url, [], { connection }) // it takes the password encrypted
    const careless = await peerIn(parts, { user: 'ann', password: 'right', isCareless: true })
    await expect(connect(parts, careless.url, [], { connection })).rejects.toMatchObject({ code: 'opcua.password-in-clear' })
    await connect(parts, careless.url, [], { connection: { ...connection, clearPassword: true } })
  })

  it('is refused by a server that does not know our certificate, and the fault names the file to trust', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { isSuspicious: true })
    const refused = connect(parts, peer.url, [], { connection: encrypted })
    await expect(refused).rejects.toMatchObject({
      code: 'opcua.certificate-refused',
      remedy: expect.stringContaining('client-certificate.pem'),
    })
  })

  it('goes on with a pinned server whose certificate has ended, and warns once', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { isExpired: true })
    const log = keptLog()
    const options = { config: configFor(peer.url, { connection: encrypted }), folder: await stateFolder(parts), log }
    const first = await connect(parts, peer.url, [plant('Double')], options)
    expect(await first.read([0], until())).toMatchObject([{ value: 21.5 }])
    await connect(parts, peer.url, [], options)
    expect(log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      expect.stringContaining('certificate of the OPC UA server is not valid'),
    ])
  })

  it('names the new fingerprint when the certificate changes, and goes on when that is accepted', async () => {
    await using parts = new AsyncDisposableStack()
    const [port, folder] = [await freePort(), await stateFolder(parts)]
    const options = { connection: encrypted, folder }
    const first = await peerIn(parts, { port })
    await connect(parts, first.url, [], options)
    await first.kill()
    await peerIn(parts, { port })
    const fault = await connect(parts, first.url, [], options).catch((error: unknown) => error as Error)
    const [refused] = (await readTrust(folder)).refused
    expect(fault).toMatchObject({ code: 'opcua.certificate-changed', message: expect.stringContaining(refused?.fingerprint ?? '?') })
    await acceptFingerprint(folder, refused?.fingerprint ?? '')
    await connect(parts, first.url, [], options)
    expect(await readTrust(folder)).toEqual({ pinned: refused?.fingerprint, refused: [] })
  })

  it('warns once of a server whose clock is off, and shows by how much', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { clockOffsetMs: -3_600_000 })
    const log = keptLog()
    const options = { config: configFor(peer.url), log }
    await connect(parts, peer.url, [], options)
    const connection = await connect(parts, peer.url, [], options)
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    const offset = connection.metrics?.().find(({ name }) => name === 'lineside_opcua_clock_offset_seconds')
    expect(offset?.value).toBeCloseTo(-3_600, -1)
  })

  it('is known to be lost when the server drops it', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const connection = await connect(parts, peer.url, [plant('Double')])
    await latestOf(connection)
    peer.order('drop')
    await expect(connection.failure).rejects.toMatchObject({ code: 'opcua.connection-lost' })
    await connect(parts, peer.url, [])
  })
})

describe('the certificate of the gateway', () => {
  it('is made once, and anew before it ends, and the old one is kept aside', async () => {
    await using parts = new AsyncDisposableStack()
    const context = { stateFolder: await stateFolder(parts), clock: systemClock, log: keptLog() }
    await ownIdentity(context)
    const path = join(context.stateFolder, 'client-certificate.pem')
    const first = await readFile(path, 'utf8')
    await ownIdentity(context)
    expect(await readFile(path, 'utf8')).toBe(first)
    const endMs = Number(new X509Certificate(first).validToDate)
    const late = { ...context, clock: { ...systemClock, now: () => epochMs(endMs - 86_400_000) } }
    await ownIdentity(late)
    expect(await readFile(path, 'utf8')).not.toBe(first)
    const aside = (await readdir(context.stateFolder)).find((name) => name.endsWith('-client-certificate.pem')) ?? '?'
    expect(await readFile(join(context.stateFolder, aside), 'utf8')).toBe(first)
    expect(context.log.lines).toMatchObject([{ level: 'warn', fields: { why: expect.stringContaining('the old one ends') } }])
  })

  it('is made anew when the file is damaged', async () => {
    await using parts = new AsyncDisposableStack()
    const context = { stateFolder: await stateFolder(parts), clock: systemClock, log: keptLog() }
    await writeFile(join(context.stateFolder, 'client-certificate.pem'), 'half a cert')
    await writeFile(join(context.stateFolder, 'client-key.pem'), '')
    await ownIdentity(context)
    expect(new X509Certificate(await readFile(join(context.stateFolder, 'client-certificate.pem'))).subject).toContain('Lineside')
  })
})
