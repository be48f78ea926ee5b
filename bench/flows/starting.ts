import type { Gateway } from '../south/gateway.ts'

const atOnce = 50

/** Starts so many runs by the API, each with its number as input; ready when all are kept. */
export async function startRuns(
  { apiPort }: Pick<Gateway, 'apiPort'>,
  { flow, runs }: { readonly flow: string; readonly runs: number },
): Promise<void> {
  const state = { next: 0 }
  const starter = async (): Promise<void> => {
    while (state.next < runs) {
      const n = state.next
      state.next += 1
      const response = await fetch(`http://127.0.0.1:${apiPort}/api/v1/workflows/${flow}/runs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ input: { n } }),
      })
      if (!response.ok) throw new Error(`${flow} is not started: ${response.status} ${await response.text()}`)
      await response.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, starter))
}
