import { Fault } from '../base/fault.ts'

export function unknownUpstream(upstream: string): Fault {
  return new Fault('outbox.upstream-unknown', `The site has no upstream "${upstream}".`, {
    remedy: 'Declare it under upstreams: in lineside.yaml.',
  })
}

export function rowTooLarge(upstream: string, bytes: number, bytesMax: number): Fault {
  return new Fault('outbox.row-too-large', `A message of ${bytes} bytes does not fit into the ${bytesMax} bytes kept for "${upstream}".`, {
    remedy: `Raise buffer.size of the upstream "${upstream}", or send smaller messages.`,
  })
}

export function full(upstream: string, waitingBytes: number, bytesMax: number): Fault {
  return new Fault('outbox.full', `${waitingBytes} of ${bytesMax} bytes kept for "${upstream}" wait to be sent.`, {
    remedy: `Bring the upstream "${upstream}" back, or raise its buffer.size.`,
    isRetryable: true,
  })
}
