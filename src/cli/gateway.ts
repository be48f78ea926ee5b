import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Fault } from '../base/fault.ts'
import { exactJsonText } from '../model/json-value.ts'
import { socketPathOf } from '../site/socket-path.ts'
import { stateFolderOf } from '../site/state.ts'
import type { Terminal } from './terminal.ts'

/** A gateway that runs, here or elsewhere, by way of its HTTP API. */
export interface Gateway {
  /** Rejects with the gateway's own fault, or with `daemon.unreachable`. */
  get(path: string): Promise<unknown>
  post(path: string, body: unknown): Promise<unknown>
  /** Hands on the data of server-sent events until the signal; rejects when they end before. */
  listen(path: string, take: (data: unknown) => void, signal: AbortSignal): Promise<void>
}

/** Which gateway is meant. */
export interface GatewayChoice {
  /** A remote one; LINESIDE_TOKEN in the environment is shown to it. */
  readonly url?: string
  /** Of that remote one; the password is LINESIDE_PASSWORD, or asked for. */
  readonly user?: string
  /** The folder of the site that runs on this machine. */
  readonly site?: string
}

interface Target {
  /** As people know it. */
  readonly name: string
  readonly options: RequestOptions
  readonly send: typeof httpRequest
}

interface Asking {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: unknown
  /** Ends the answer, too, where it is still being told. */
  readonly signal?: AbortSignal
}

/** More than any answer has; what talks on after it is no gateway. */
const answerBytesMax = 256 * 1024 ** 2
/** A confirmed write may take its 10 s and the minute that a device may have for the read-back. */
const answerMs = 90_000

export async function reachGateway(choice: GatewayChoice, terminal: Terminal): Promise<Gateway> {
  const target =
    choice.url === undefined ? await socketTarget(choice, terminal.environment) : await urlTarget(choice.url, choice.user, terminal)
  const ask = async (asking: Asking): Promise<unknown> => answerOf(await responseTo(target, asking), target)
  return {
    get: (path) => ask({ method: 'GET', path }),
    post: (path, body) => ask({ method: 'POST', path, body }),
    listen: async (path, take, signal) => {
      const response = await responseTo(target, { method: 'GET', path, signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error
        return undefined
      })
      if (response === undefined) return
      if (response.statusCode !== 200) await answerOf(response, target)
      await readEvents(response, take).catch(() => {})
      if (signal.aborted) return
      throw unreachable(target.name, 'it ended the stream', 'Look whether it was stopped or restarted, then ask again.')
    },
  }
}

async function socketTarget({ site = '.', user }: GatewayChoice, environment: NodeJS.ProcessEnv): Promise<Target> {
  if (user !== undefined) {
    throw new Fault('usage.url', 'On the gateway itself no user is needed.', {
      remedy: 'Leave --user out, or name the gateway with --url.',
    })
  }
  const socketPath = socketPathOf(await stateFolderOf(site, environment))
  return { name: `the gateway at ${socketPath}`, options: { socketPath, host: 'localhost' }, send: httpRequest }
}

async function urlTarget(url: string, user: string | undefined, terminal: Terminal): Promise<Target> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new Fault('usage.url', `"${url}" is no address of a gateway.`, {
      remedy: 'Give it as http://10.1.7.5:8080 or https://edge-07.plant.example.',
    })
  }
  const authorization = user === undefined ? tokenOf(terminal) : await basicOf(user, terminal)
  const headers = authorization === undefined ? {} : { authorization }
  const { hostname, port, protocol } = parsed
  const options = { host: hostname.replace(/^\[|\]$/g, ''), headers, ...(port === '' ? {} : { port: Number(port) }) }
  return { name: `the gateway at ${parsed.origin}`, options, send: protocol === 'https:' ? httpsRequest : httpRequest }
}

function tokenOf({ environment }: Terminal): string | undefined {
  const token = environment['LINESIDE_TOKEN']
  return token === undefined || token === '' ? undefined : `Bearer ${token}`
}

async function basicOf(user: string, terminal: Terminal): Promise<string> {
  const { passwordFrom } = await import('./password.ts')
  const password = terminal.environment['LINESIDE_PASSWORD'] ?? (await passwordFrom('known', terminal))
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

async function responseTo({ name, options, send }: Target, { method, path, body, signal }: Asking): Promise<IncomingMessage> {
  const text = body === undefined ? undefined : exactJsonText(body)
  const type = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const until = signal === undefined ? {} : { signal }
  const request = send({ ...options, ...until, method, path, headers: { ...options.headers, ...type }, timeout: answerMs }, resolve)
  request.on('error', reject)
  request.on('timeout', () => request.destroy(new Error(`it has not answered for ${answerMs / 1_000} s`)))
  request.end(text)
  try {
    return await promise
  } catch (error) {
    throw unreachableFor(name, error)
  }
}

async function answerOf(response: IncomingMessage, { name }: Target): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > answerBytesMax) throw new Error('its answer has no end')
      chunks.push(chunk)
    }
  } catch (error) {
    throw unreachableFor(name, error)
  }
  const answer = parsedJson(Buffer.concat(chunks).toString('utf8'))
  if (response.statusCode === 200 && answer !== undefined) return answer
  throw faultIn(answer) ?? noGateway(name, response.statusCode)
}

async function readEvents(response: IncomingMessage, take: (data: unknown) => void): Promise<void> {
  let held = ''
  response.setEncoding('utf8')
  for await (const chunk of response as AsyncIterable<string>) {
    const messages = (held + chunk).split('\n\n')
    held = messages.pop() ?? ''
    if (held.length > answerBytesMax) return
    for (const message of messages) {
      const data = message.split('\n').flatMap((line) => (line.startsWith('data: ') ? line.slice('data: '.length) : []))
      if (data.length > 0) take(parsedJson(data.join('\n')))
    }
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** RFC 9457, as the gateway says no. */
function faultIn(answer: unknown): Fault | undefined {
  if (typeof answer !== 'object' || answer === null || !('code' in answer) || !('detail' in answer)) return undefined
  const remedy = 'remedy' in answer ? String(answer.remedy) : 'Look in the log of the gateway.'
  return new Fault(String(answer.code), String(answer.detail), { remedy })
}

function noGateway(name: string, status: number | undefined): Fault {
  return new Fault('daemon.unreachable', `${name} answered ${status} and nothing that Lineside would say.`, {
    remedy: 'Check the address: another program may listen there.',
  })
}

function unreachableFor(name: string, error: unknown): Fault {
  const { code, message } = error as { readonly code?: string; readonly message?: string }
  const isLocal = name.endsWith('.sock')
  const remedies: Readonly<Record<string, string>> = {
    ENOENT: 'Start it with `lineside run`, or name the folder of its site with --site, or a remote one with --url.',
    ECONNREFUSED: isLocal
      ? 'It was killed and is not running: start it with `lineside run`.'
      : 'Check address and port; `api: { port, host }` in its lineside.yaml names them.',
    EACCES: 'It belongs to another user: run this as that user (`sudo -u lineside …`), or name it with --url.',
    EINVAL: 'Its path is too long for a socket: use a shorter `storage: { path }`, or name the gateway with --url.',
    ENAMETOOLONG: 'Its path is too long for a socket: use a shorter `storage: { path }`, or name the gateway with --url.',
    ENOTFOUND: 'Check the name of the host.',
  }
  return unreachable(name, code ?? message ?? String(error), remedies[code ?? ''] ?? 'Check that it runs, and the network between.', error)
}

function unreachable(name: string, why: string, remedy: string, cause?: unknown): Fault {
  return new Fault('daemon.unreachable', `Cannot reach ${name} (${why}).`, { remedy, isRetryable: true, cause })
}
