import { type FlowTestResult, runFlowTests } from '../../../src/runtime/flow-tests.ts'
import { loadFlowTests } from '../../../src/site/flow-tests.ts'
import { loadSite } from '../../../src/site/load.ts'
import { type Files, goodSite, siteFolder } from '../../site/site-folder.ts'

/** Carries cases out on a small site, in virtual time; what went otherwise than expected, and the story of it. */
export async function inTime(flows: Files, test: string): Promise<readonly Pick<FlowTestResult, 'name' | 'differences' | 'story'>[]> {
  const { 'flows/watch.yaml': _, ...site } = goodSite
  await using folder = await siteFolder({ ...site, ...flows, 'flows/it.test.yaml': test })
  const loaded = await loadSite(folder.path, { environment: {} })
  if (loaded.site === undefined) throw new Error(JSON.stringify(loaded.problems))
  const { files, problems } = await loadFlowTests(loaded.site)
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  const failed: FlowTestResult[] = []
  let count = 0
  for await (const result of runFlowTests(loaded.site, files)) {
    count += 1
    if (!result.isPassed) failed.push(result)
  }
  if (count === 0) throw new Error('there was no case')
  return failed.map(({ name, differences, story }) => ({ name, differences, story }))
}

/** A flow that tells when it ran, and why. */
export function telling(flow: string, on: string, more = ''): Files {
  return {
    [`flows/${flow}.yaml`]: `flow: ${flow}\non:\n  - ${on}\n${more}steps:\n  - id: tell\n    publish: { topic: told, payload: "\${trigger.time}" }\n`,
  }
}
