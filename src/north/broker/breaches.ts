import type { Duplex } from 'node:stream'
import type { Aedes, Client } from 'aedes'
import { isOrdinaryEnd } from './aedes-client.ts'
import type { ConnectedClient } from './connected-client.ts'
import type { Doorway } from './doorway.ts'
import { type Incidents, incidentKinds } from './incidents.ts'

export interface BreachesOptions {
  readonly incidents: Incidents
  readonly doorway: Pick<Doorway, 'wireOf'>
  readonly find: (client: Client) => ConnectedClient | undefined
}

/** As aedes words it for a CONNECT of MQTT 5. */
const wrongVersion = 'unacceptable protocol version'

/** Notes who broke the protocol, or speaks another. */
export function watchBreaches(aedes: Aedes, { incidents, doorway, find }: BreachesOptions): void {
  const told = new WeakSet<Client>()
  const breach = (client: Client, error: Error): void => {
    // Gone, or refused by us and noted as such; and of one client aedes may tell several times.
    if (isOrdinaryEnd(error) || 'returnCode' in error || told.has(client)) return
    told.add(client)
    const who = find(client)?.who ?? { client: client.id, address: doorway.wireOf(client.conn as Duplex)?.address }
    if (error.message === wrongVersion) incidents.note(incidentKinds.version, { address: who.address })
    else incidents.note(incidentKinds.malformed, { ...who, error: error.message })
  }
  aedes.on('clientError', breach)
  aedes.on('connectionError', breach)
}
