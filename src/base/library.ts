import { Fault } from './fault.ts'

/** Loads what is needed only now. Throws the Fault `install.library` where it cannot be loaded: that is the installation's fault, and nobody's text's. */
export function loadedLibrary<Library>(name: string, load: () => Library): Library {
  try {
    return load()
  } catch (error) {
    const [why = ''] = String(error instanceof Error ? error.message : error).split('\n')
    throw new Fault(
      'install.library',
      `A part of Lineside, the library ${name}, cannot be loaded: ${why.slice(0, 200).replace(/\.$/, '')}.`,
      {
        remedy: 'Install Lineside again: `npm ci` in its folder.',
        cause: error,
      },
    )
  }
}
