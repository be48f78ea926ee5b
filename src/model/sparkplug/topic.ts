/** Topics of Sparkplug B 3.0, chapter 4: `spBv1.0/GROUP/TYPE/EDGE-NODE[/DEVICE]`, and `spBv1.0/STATE/HOST`. */
const namespace = 'spBv1.0'

const nodeTypes = ['NBIRTH', 'NDATA', 'NDEATH', 'NCMD'] as const
const deviceTypes = ['DBIRTH', 'DDATA', 'DDEATH', 'DCMD'] as const
export type NodeMessage = (typeof nodeTypes)[number]
export type DeviceMessage = (typeof deviceTypes)[number]

export interface EdgeNodeName {
  readonly group: string
  readonly edgeNode: string
}

export type SparkplugTopic = EdgeNodeName & ({ readonly type: NodeMessage } | { readonly type: DeviceMessage; readonly device: string })

export function nodeTopic(type: NodeMessage, { group, edgeNode }: EdgeNodeName): string {
  return `${namespace}/${group}/${type}/${edgeNode}`
}

export function deviceTopic(type: DeviceMessage, { group, edgeNode }: EdgeNodeName, device: string): string {
  return `${namespace}/${group}/${type}/${edgeNode}/${device}`
}

export function stateTopic(host: string): string {
  return `${namespace}/STATE/${host}`
}

/** undefined where the topic is no message of an edge node or to one. */
export function parseSparkplugTopic(topic: string): SparkplugTopic | undefined {
  const [first, group, type, edgeNode, device, more] = topic.split('/')
  if (first !== namespace || !group || !edgeNode || more !== undefined) return undefined
  const nodeType = nodeTypes.find((known) => known === type)
  if (nodeType !== undefined) return device === undefined ? { group, edgeNode, type: nodeType } : undefined
  const deviceType = deviceTypes.find((known) => known === type)
  return deviceType !== undefined && device ? { group, edgeNode, type: deviceType, device } : undefined
}

/** Whether it may stand for a group, an edge node, a device or a host. */
export function isSparkplugId(text: string): boolean {
  return /^[^+#/\0]+$/.test(text) && Buffer.byteLength(text) <= 255
}
