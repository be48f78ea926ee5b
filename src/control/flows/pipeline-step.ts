/** Where a pipeline stands among the flows. */
export const pipelineFlow = 'pipeline'

/** One flow of the main sequence, and the step that runs it. */
export interface PipelineStep {
  readonly step: string
  readonly flow: string
}
