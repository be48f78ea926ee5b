import { appendFileSync } from 'node:fs'
import { BroadcastChannel } from 'node:worker_threads'
import { createDoor } from '../../../src/base/door.ts'
import { type RoomContext, runRoom } from '../../../src/base/thread.ts'

/** What a test may tell a room over the broadcast channel: to die, to block its loop, or to call another room and write down what it heard. */
export interface MortalOrder {
  readonly room: string
  readonly order: 'die' | 'hang' | 'ask'
  readonly other?: string
  readonly hangMs?: number
}

export interface MortalData {
  readonly name: string
  /** Its life, a line for each thing that happens. */
  readonly lifeFile: string
  readonly channel: string
  readonly rooms: readonly string[]
  readonly isStillborn: boolean
}

interface Neighbour {
  echo(ask: null): string
  append(ask: readonly unknown[]): null
}

runRoom<MortalData>(async ({ data, connect }: RoomContext<MortalData>) => {
  const tell = (what: string): void => appendFileSync(data.lifeFile, `${data.name} ${what}\n`)
  if (data.isStillborn) {
    tell('is born')
    throw new Error('born dead')
  }
  const handlers = {
    echo: () => `${data.name} is here`,
    append: (events: readonly unknown[]) => {
      tell(`append ${JSON.stringify(events)}`)
      return null
    },
  }
  const doors = new Map(
    data.rooms.map((room) => [room, createDoor<Neighbour, Neighbour>(handlers, { name: `${data.name} to ${room}`, unansweredMax: 10 })]),
  )
  for (const [room, door] of doors) connect(room, door)
  const channel = new BroadcastChannel(data.channel)
  channel.onmessage = (event: unknown): void => {
    const { room, order, other, hangMs } = (event as { readonly data: MortalOrder }).data
    if (room !== data.name) return
    if (order === 'die') throw new Error(`${room} dies as it was told`)
    if (order === 'hang') block(hangMs ?? 0)
    if (order === 'ask')
      doors
        .get(other ?? '')
        ?.call('echo', null)
        .then(tell, (error: Error) => tell(error.message))
  }
  tell('started')
  return {
    failure: new Promise<never>(() => {}),
    metrics: () => [{ name: 'mortal_alive', help: 'One while it lives.', type: 'gauge', value: 1, labels: { room: data.name } }],
    [Symbol.asyncDispose]: async () => {
      channel.close()
      tell('stopped')
    },
  }
})

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
