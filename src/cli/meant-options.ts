import type { Command, Option } from 'commander'
import { Fault } from '../base/fault.ts'

/** Of every command that asks a gateway. */
const always = ['site', 'url', 'user', 'json']

/**
 * Where the words of a command say what it does, only some of its options mean anything: whoever types another one believes that it counts. `as` is the
 * command with its words, `meant` are the names of the options as the code has them. Throws `usage.option`.
 */
export function refuseOthers(command: Command, { meant, as }: { readonly meant: readonly string[]; readonly as: string }): void {
  const known = [...always, ...meant]
  const strange = typedOf(command).find((option) => !known.includes(option.attributeName()))
  if (strange !== undefined) throw meaningless(strange, as, command)
}

/** Commander takes the options of a command also where they stand behind one below it, which may not have them. Throws `usage.option`. */
export function refuseOfParents(command: Command): void {
  const own = new Set(command.options.map((option) => option.attributeName()))
  for (let { parent } = command; parent?.parent; parent = parent.parent) {
    const strange = typedOf(parent).find((option) => !own.has(option.attributeName()))
    if (strange !== undefined) throw meaningless(strange, `${parent.name()} ${command.name()}`, command)
  }
}

function typedOf(command: Command): readonly Option[] {
  return command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli')
}

function meaningless({ long }: Option, as: string, command: Command): Fault {
  const help = [...(command.parent?.parent ? [command.parent.name()] : []), command.name()].join(' ')
  return new Fault('usage.option', `${long} means nothing to \`lineside ${as}\`.`, {
    remedy: `Leave it out. \`lineside ${help} --help\` tells what each option is for.`,
  })
}
