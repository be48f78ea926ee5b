import { Fault } from '../../base/fault.ts'
import { cloudEvent } from '../../model/cloud-event.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import type { ExpressionScope } from '../../model/expression.ts'
import { tagValueOf } from '../../model/json-value.ts'
import type { TagId, TagValue } from '../../model/tag.ts'
import { checkedTemplate, jsonSafe, payloadText, type Template } from '../../model/template.ts'
import type { OutgoingMessage } from '../../store/contract.ts'
import type { LocalMessage } from '../contract.ts'
import type { TagTable } from '../tag-table.ts'
import type { RouteConfig, RouteTarget } from './config.ts'
import { changePayload, type MessageData, messageReceived, payloadOf, type RoutedEvent, tagChanged } from './item.ts'
import type { ServiceConfig } from './service-config.ts'

/** What one item is to do to its target, worked out once. */
export interface Outgoing {
  readonly event: RoutedEvent
  /** Of a topic: which. */
  readonly address: string
  readonly value: unknown
}

/** Where a route leads. */
export interface Target {
  /** What a breaker stands before. */
  readonly name: string
  /** Items that go in one call, in order; 1: each on its own. */
  readonly batchMax: number
  /** undefined where an expression of it is unknown. `mapped` is undefined where the route has no map. */
  prepare(event: RoutedEvent, scope: ExpressionScope, mapped: unknown): Omit<Outgoing, 'event'> | undefined
  /** All or none: what fails is asked for again with the same ids. Rejects with a Fault. */
  deliver(items: readonly Outgoing[], signal: AbortSignal): Promise<void>
}

/** What routes do to the world. */
export interface RoutePorts {
  readonly site: string
  readonly table: TagTable
  readonly write: (command: Command) => Promise<CommandResult>
  /** Resolves when the broker has the messages. */
  readonly publish: (messages: readonly LocalMessage[]) => Promise<unknown>
  /** To every upstream that wants the topic; resolves when it is kept. */
  readonly offer: (topic: string, payload: string) => Promise<void>
  /** Resolves when the messages are kept for their upstreams. */
  readonly accept: (messages: readonly OutgoingMessage[]) => Promise<unknown>
  readonly services: Readonly<Record<string, ServiceConfig>>
  readonly startFlow: StartFlow | undefined
}

/** Starts a run; the same cause once more starts no other. Resolves when the start is kept. */
export type StartFlow = (ask: FlowStart) => Promise<void>

export interface FlowStart {
  readonly flow: string
  readonly input: Readonly<Record<string, unknown>>
  readonly cause: { readonly route: string; readonly event: RoutedEvent }
}

const messagesMax = 200

export function openTarget(config: RouteConfig, ports: RoutePorts): Target {
  const { to } = config
  switch (to.kind) {
    case 'topic':
      return topicTarget(to, ports)
    case 'upstream':
      return upstreamTarget(to, ports)
    case 'tag':
      return tagTarget(to.tag, config, ports)
    case 'flow':
      return flowTarget(to.flow, config, ports)
    case 'service':
      return serviceTarget(to, ports)
    default:
      return to satisfies never
  }
}

function topicTarget({ topic, isRetained }: Extract<RouteTarget, { kind: 'topic' }>, { publish, offer, site }: RoutePorts): Target {
  return {
    name: `topic ${topic}`,
    batchMax: messagesMax,
    prepare: addressed(topic, site),
    deliver: async (items) => {
      const messages = items.map(({ event, address, value }): LocalMessage => {
        const payload = value as string | Uint8Array
        return { topic: address, payload, qos: 1, isRetained, hops: hopsOf(event) + 1 }
      })
      // What is no text stays on this machine: the outbox holds texts.
      await Promise.all(
        messages.map(async ({ topic: at, payload }) => (typeof payload === 'string' ? await offer(at, payload) : undefined)),
      )
      await publish(messages)
    },
  }
}

function hopsOf({ type, data }: RoutedEvent): number {
  const { hops = 0 }: MessageData = type === messageReceived ? data : {}
  return hops
}

function upstreamTarget({ upstream, topic }: Extract<RouteTarget, { kind: 'upstream' }>, { accept, site }: RoutePorts): Target {
  return {
    name: `upstream ${upstream}`,
    batchMax: messagesMax,
    prepare: addressed(topic, site),
    deliver: async (items) => {
      const messages = items.map(({ event, address, value }): OutgoingMessage => {
        if (typeof value !== 'string') throw noText(address)
        return { upstream, kind: 'message', subject: address, body: value, timeMs: event.timeMs }
      })
      await accept(messages)
    },
  }
}

/** A message at a topic that may be an expression. */
function addressed(topic: string, site: string): Target['prepare'] {
  const template: Template | undefined = topic.includes('${') ? checkedTemplate(topic, 'flow') : undefined
  return (event, scope, mapped) => {
    const address = template === undefined ? topic : template.evaluate(scope)
    if (address === undefined) return undefined
    const value = mapped === undefined ? asItCame(event, site) : payloadText(mapped)
    return { address: String(address), value }
  }
}

/** What is sent where the route says nothing else. */
function asItCame(event: RoutedEvent, site: string): string | Uint8Array {
  if (event.type === messageReceived) return payloadOf(event.data)
  return event.type === tagChanged ? changePayload(event) : JSON.stringify(cloudEvent(event, { site }))
}

/** Refusals that say nothing against trying again. */
const passing = new Set([
  'command.device-starting',
  'command.rate',
  'command.busy',
  'command.road-full',
  'command.stopping',
  'device.absent',
])

function tagTarget(tag: TagId, { route }: RouteConfig, { write, table }: RoutePorts): Target {
  const place = table.find(tag)
  const type = place === undefined ? undefined : table.metas[place]?.type
  return {
    name: `device ${tag.split('/')[0]}`,
    batchMax: 1,
    prepare: (_event, scope, mapped) => {
      const isGood = mapped !== undefined || (scope.quality !== 'bad' && scope.quality !== 'stale')
      const value = mapped ?? scope.value
      if (!isGood || value === undefined || value === null) return undefined
      return { address: tag, value: tagValueOf(value as TagValue, type) }
    },
    deliver: async ([item]) => {
      if (item === undefined) return
      // Routes are files of the controls engineer; what they may write is decided by whoever may change those files.
      const by = { road: 'route', name: route, role: 'engineer' } as const
      const result = await write({ id: item.event.uid, tag, value: item.value as TagValue, by })
      if (result.status !== 'done') throw writeFault(tag, result)
    },
  }
}

/** A write of which nobody knows what became of it is never asked for again. */
function writeFault(tag: string, { status, code = `command.${status}`, message, remedy }: CommandResult): Fault {
  return new Fault(code, message ?? `The write to ${tag} ended ${status}.`, {
    remedy: remedy ?? 'Look at the device.',
    isRetryable: status !== 'unknown' && passing.has(code),
  })
}

function flowTarget(flow: string, { route }: RouteConfig, { startFlow }: RoutePorts): Target {
  return {
    name: `flow ${flow}`,
    batchMax: 1,
    prepare: (event, _scope, mapped) => ({ address: flow, value: mapped ?? event.data }),
    deliver: async ([item]) => {
      if (item === undefined) return
      if (startFlow === undefined) throw noFlows(flow)
      const { event } = item
      const value = jsonSafe(item.value)
      const input = typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : { value }
      await startFlow({ flow, input, cause: { route, event } })
    },
  }
}

function serviceTarget(to: Extract<RouteTarget, { kind: 'service' }>, { services, site }: RoutePorts): Target {
  const service = services[to.service]
  let attempt = 0
  return {
    name: `service ${to.service}`,
    batchMax: 1,
    prepare: (event, _scope, mapped) => ({
      address: to.path,
      value:
        mapped === undefined
          ? JSON.stringify(cloudEvent(event, { site }))
          : payloadText(typeof mapped === 'string' ? JSON.stringify(mapped) : mapped),
    }),
    deliver: async ([item], signal) => {
      if (item === undefined || service === undefined) return
      const { callService } = await import('./service.ts')
      const url = service.urls[attempt % service.urls.length] ?? ''
      const body = { text: String(item.value), type: contentType(item) }
      try {
        await callService({ ...to, id: item.event.uid, url, service, body }, signal)
      } catch (error) {
        attempt += 1 // the next instance
        throw error
      }
    },
  }
}

function contentType({ value }: Outgoing): string {
  return String(value).startsWith('{"specversion":"1.0"') ? 'application/cloudevents+json' : 'application/json'
}

function noText(topic: string): Fault {
  return new Fault('route.not-text', `What is to go to ${topic} is no text, and an upstream takes text only.`, {
    remedy: 'Give the route a `map` that makes JSON of it.',
  })
}

function noFlows(flow: string): Fault {
  return new Fault('route.no-flows', `This gateway cannot start ${flow} from a route yet.`, {
    remedy: 'Start it by a tag, or let the route lead to a topic.',
  })
}
