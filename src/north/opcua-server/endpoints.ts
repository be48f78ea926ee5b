import type { OPCUAServer, OPCUAServerOptions } from 'node-opcua-server'
import type { ServerSecurity } from './config.ts'

type Modes = NonNullable<OPCUAServerOptions['securityModes']>
type Policies = NonNullable<OPCUAServerOptions['securityPolicies']>

/** As on the wire (OPC 10000-4, 7.20). */
const modeNumbers: Readonly<Record<string, number>> = { None: 1, Sign: 2, SignAndEncrypt: 3 }
const policyRoot = 'http://opcfoundation.org/UA/SecurityPolicy#'

export function modesOf(securities: readonly ServerSecurity[]): Modes {
  return [...new Set(securities.map((security) => partsOf(security).mode))] as Modes
}

export function policiesOf(securities: readonly ServerSecurity[]): Policies {
  return [...new Set(securities.map((security) => partsOf(security).policy))] as Policies
}

/**
 * The library offers every mode with every policy; this leaves the pairs that were asked for. What it calls restricted stays: by it a client asks
 * for the endpoints, and can open no session.
 */
export function keepEndpoints(server: OPCUAServer, securities: readonly ServerSecurity[]): void {
  const wanted = new Set(securities.map(partsOf).map(({ mode, policy }) => `${policy}/${mode}`))
  for (const endpoint of server.endpoints) {
    const descriptions = endpoint.endpointDescriptions() as unknown as Description[]
    const kept = descriptions.filter((one) => one.restricted === true || wanted.has(`${one.securityPolicyUri}/${one.securityMode}`))
    descriptions.splice(0, descriptions.length, ...kept)
  }
}

interface Description {
  readonly restricted?: boolean
  readonly securityMode: number
  readonly securityPolicyUri: string | null
}

function partsOf(security: ServerSecurity): { readonly mode: number; readonly policy: string } {
  const [policy = '', mode = policy] = security.split('/')
  return { mode: modeNumbers[mode] ?? 0, policy: policyRoot + policy }
}
