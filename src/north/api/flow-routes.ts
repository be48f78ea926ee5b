import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Fault } from '../../base/fault.ts'
import type { FlowPort } from './flows.ts'
import { plainQuery } from './query.ts'
import type { Intent, Visitor } from './visitor.ts'

export interface FlowRoutesOptions {
  readonly flows: FlowPort
  readonly node: string
  readonly visit: (request: FastifyRequest, intent: Intent) => Promise<Visitor>
}

interface FlowParams {
  readonly flow: string
}

interface RunParams {
  readonly run: string
  readonly act: string
}

/** Flows and their runs. Who sees a flow is who may read its topics; who may do what to a run, control decides by role. */
export function routeFlows(server: FastifyInstance, { flows, node, visit }: FlowRoutesOptions): void {
  const code = () => import('./flows.ts')
  const reader = async (request: FastifyRequest): Promise<void> => {
    const { mayRead } = await visit(request, 'read')
    if (mayRead(`lineside/${node}/flows/#`)) return
    throw new Fault('access.read', 'This user may not read flows.', {
      remedy: `Ask an admin for a rule that covers lineside/${node}/flows/#.`,
    })
  }
  server.get('/api/v1/workflows', async (request) => {
    await reader(request)
    return await (await code()).flowRows(flows)
  })
  server.post<{ Params: FlowParams }>('/api/v1/workflows/:flow/runs', async (request) => {
    const { by, mayWrite } = await visit(request, 'change')
    const { flow } = request.params
    if (!mayWrite(`lineside/${node}/flows/${flow}/start`)) throw notToStart(flow)
    return await (await code()).startFlow(flows, { flow, body: request.body, by })
  })
  server.get('/api/v1/pipeline', async (request) => {
    await reader(request)
    return await (await code()).pipelineRow(flows)
  })
  server.post<{ Params: { readonly act: string } }>('/api/v1/pipeline/:act', async (request) => {
    const { by, mayWrite } = await visit(request, 'change')
    const { act } = request.params
    if (act === 'start' && !mayWrite(`lineside/${node}/flows/pipeline/start`)) throw notToStart('the pipeline')
    return await (await code()).actOnPipeline(flows, { act, body: request.body, by })
  })
  server.get('/api/v1/runs', async (request) => {
    await reader(request)
    return await (await code()).runRows(flows, plainQuery(request.query, ['flow', 'state', 'limit']))
  })
  server.get<{ Params: RunParams }>('/api/v1/runs/:run', async (request) => {
    await reader(request)
    return await (await code()).runDetail(flows, request.params.run)
  })
  server.post<{ Params: RunParams }>('/api/v1/runs/:run/:act', async (request) => {
    const { by } = await visit(request, 'change')
    return await (await code()).steerRun(flows, { ...request.params, body: request.body, by })
  })
}

function notToStart(flow: string): Fault {
  return new Fault('access.write', `This user may not start ${flow.slice(0, 100)}.`, {
    remedy: 'Ask an admin for a rule that covers the start of that flow.',
  })
}
