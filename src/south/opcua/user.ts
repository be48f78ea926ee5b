import { readFile } from 'node:fs/promises'
import { crypto_utils, type UserIdentityInfo, UserTokenType } from 'node-opcua-client'
import { Fault } from '../../base/fault.ts'
import { revealSecret } from '../../base/secret.ts'
import type { OpcuaConfig, X509User } from './config.ts'

/** Who the session is for; secrets are looked up anew at each connection. */
export async function userOf({ connection }: OpcuaConfig): Promise<UserIdentityInfo> {
  if (connection.userCertificate !== undefined) return await certificateUser(connection.userCertificate)
  if (connection.user === undefined) return { type: UserTokenType.Anonymous }
  const password = connection.password === undefined ? '' : revealSecret(connection.password)
  return { type: UserTokenType.UserName, userName: connection.user, password }
}

async function certificateUser({ certificate, key }: X509User): Promise<UserIdentityInfo> {
  const file = await fileOf(certificate)
  const isPem = file.includes('-----BEGIN')
  const privateKey = typeof key === 'string' ? (await fileOf(key)).toString('utf8') : revealSecret(key)
  try {
    crypto_utils.makePrivateKeyFromPem(privateKey)
    const certificateData = isPem ? crypto_utils.convertPEMtoDER(file.toString('utf8')) : file
    return { type: UserTokenType.Certificate, certificateData, privateKey }
  } catch (cause) {
    throw new Fault('opcua.user-certificate', `The certificate ${certificate} or its key cannot be read as PEM.`, {
      remedy: 'Give a certificate as PEM or DER, and its private key as PEM without a passphrase.',
      cause,
    })
  }
}

async function fileOf(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    throw new Fault('opcua.user-certificate', `The file ${path} of the user's certificate cannot be read.`, {
      remedy: 'Correct connection.user, or let the user of the daemon read the file.',
      isRetryable: true,
      cause,
    })
  })
}
