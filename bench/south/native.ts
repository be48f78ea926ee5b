import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const compiler = 'cc'

/** Builds a C program of this folder into `folder`; its path. Compiler and libmodbus come from scripts/system-packages.sh. */
export function buildNative(name: 'modbus-server' | 'libmodbus-client', folder: string): string {
  const program = join(folder, name)
  const source = join(import.meta.dirname, `${name}.c`)
  const libraries = name === 'libmodbus-client' ? ['-I/usr/include/modbus', '-lmodbus'] : []
  try {
    execFileSync(compiler, ['-O2', source, '-o', program, ...libraries], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (cause) {
    throw new Error(`cannot build ${name}.c: run \`bash scripts/system-packages.sh\``, { cause })
  }
  return program
}
