import { type EndpointDescription, MessageSecurityMode, UserTokenType } from 'node-opcua-client'
import { Fault } from '../../base/fault.ts'
import type { OpcuaConfig } from './config.ts'

const policiesByStrength = ['Aes256_Sha256_RsaPss', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'None']
const modesByStrength = [MessageSecurityMode.SignAndEncrypt, MessageSecurityMode.Sign, MessageSecurityMode.None]

/** The strongest that both speak, or what the device file asks for. Throws a Fault where there is none, or where a password would be readable. */
export function chooseEndpoint(config: OpcuaConfig, endpoints: readonly EndpointDescription[]): EndpointDescription {
  const { security } = config.connection
  const [policyName, modeName = 'None'] = security.split('/')
  const known = endpoints.filter((endpoint) => strengthOf(endpoint) >= 0)
  const wanted = known.filter(
    (endpoint) => security === 'auto' || (policyOf(endpoint) === policyName && MessageSecurityMode[endpoint.securityMode] === modeName),
  )
  const [best] = wanted.toSorted((one, other) => strengthOf(one) - strengthOf(other))
  if (best === undefined) throw noSuchEndpoint(config, known)
  checkPassword(config, best)
  return best
}

function checkPassword({ connection }: OpcuaConfig, endpoint: EndpointDescription): void {
  if (connection.password === undefined || connection.clearPassword || hidesPassword(endpoint)) return
  throw new Fault('opcua.password-in-clear', `${connection.url} offers no encryption, and there is a password to send.`, {
    remedy: 'Let the server offer Basic256Sha256; or, if the network is your own, set connection.clearPassword to true.',
  })
}

/** Without encryption of everything, the token alone may be encrypted (OPC 10000-4, 7.41); of several ways the library takes the strongest. */
function hidesPassword(endpoint: EndpointDescription): boolean {
  if (endpoint.securityMode === MessageSecurityMode.SignAndEncrypt) return true
  const policies = (endpoint.userIdentityTokens ?? []).filter(({ tokenType }) => tokenType === UserTokenType.UserName)
  const names = policies.map(({ securityPolicyUri }) => securityPolicyUri?.split('#')[1] ?? policyOf(endpoint))
  return endpoint.serverCertificate.length > 0 && names.some((name) => name !== 'None' && policiesByStrength.includes(name))
}

/** 0 is the strongest; -1 what we do not speak, or consider broken. */
function strengthOf(endpoint: EndpointDescription): number {
  const policy = policiesByStrength.indexOf(policyOf(endpoint))
  const mode = modesByStrength.indexOf(endpoint.securityMode)
  return policy < 0 || mode < 0 ? -1 : mode * policiesByStrength.length + policy
}

function policyOf(endpoint: EndpointDescription): string {
  return endpoint.securityPolicyUri?.split('#')[1] ?? ''
}

function noSuchEndpoint({ connection }: OpcuaConfig, known: readonly EndpointDescription[]): Fault {
  const offers = known.map((endpoint) => `${policyOf(endpoint)}/${MessageSecurityMode[endpoint.securityMode]}`)
  const list = [...new Set(offers)].join(', ').replace('None/None', 'None') || 'nothing that Lineside speaks'
  return new Fault('opcua.no-such-endpoint', `${connection.url} does not offer ${connection.security}; it offers ${list}.`, {
    remedy: 'Set connection.security to one of them, or to auto.',
  })
}
