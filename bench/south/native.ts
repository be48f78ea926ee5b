import { execFileSync } from 'node:child_process'
import { basename, join } from 'node:path'

const compiler = 'cc'

/** Builds a C program of this folder into `folder`; its path. Compiler and libmodbus come from scripts/system-packages.sh. */
export function buildNative(name: 'modbus-server' | 'libmodbus-client', folder: string): string {
  const libraries = name === 'libmodbus-client' ? ['-I/usr/include/modbus', '-lmodbus'] : []
  return buildProgram(join(import.meta.dirname, `${name}.c`), folder, libraries)
}

export function buildProgram(source: string, folder: string, libraries: readonly string[] = []): string {
  const program = join(folder, basename(source, '.c'))
  try {
    execFileSync(compiler, ['-O2', source, '-o', program, ...libraries], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (cause) {
    throw new Error(`cannot build ${basename(source)}: run \`bash scripts/system-packages.sh\``, { cause })
  }
  return program
}
