import { execFile } from 'node:child_process'
import { join } from 'node:path'

const repository = join(import.meta.dirname, '../..')

export interface Cruise {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly { readonly resolved: string }[] }[]
  readonly violations: readonly { readonly rule: string; readonly from: string; readonly to: string }[]
}

interface Report {
  readonly modules: Cruise['modules']
  readonly summary: {
    readonly violations: readonly { readonly rule: { readonly name: string }; readonly from: string; readonly to: string }[]
  }
}

/** Runs the command line tool as `npm run check:imports` does. */
export async function cruise(folder: string, config: string, roots: readonly string[]): Promise<Cruise> {
  const tool = join(repository, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const output = await new Promise<string>((resolve, reject) => {
    const args = [tool, '--config', config, '--output-type', 'json', ...roots]
    execFile(process.execPath, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => {
      if (stdout === '') reject(error ?? new Error('dependency-cruiser printed nothing'))
      else resolve(stdout)
    })
  })
  const report = JSON.parse(output) as Report
  return {
    modules: report.modules,
    violations: report.summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
  }
}
