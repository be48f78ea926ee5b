import type { Cure } from './cure.ts'

const planner = 'src/south/modbus/planner.ts'
const timing = 'src/south/modbus/timing.ts'
const parts = 'src/south/modbus/read-parts.ts'
const scan = 'src/south/modbus/scan.ts'
const learnt = 'src/south/modbus/learnt.ts'
const writer = 'src/south/modbus/writer.ts'
const breaker = 'src/south/modbus/unit-breaker.ts'
const plannerTests = 'test/south/modbus/planner.test.ts'
const driverTests = 'test/south/modbus/driver.test.ts'
const learningTests = 'test/south/modbus/learning.test.ts'
const lineTests = 'test/south/modbus/shared-line.test.ts'

/** The paragraph on the planner, in its order: what devices do to whoever reads and writes them as if they were all alike. */
export const modbusPlannerCures: readonly Cure[] = [
  {
    trap: 'Modbus, planner: a request for each value where one would do',
    edits: [{ file: planner, cure: 'item.start - end > gapMax ||', without: 'item.start > end ||' }],
    test: { file: plannerTests, title: 'reads a gap along' },
  },
  {
    trap: 'Modbus, planner: a value that is split over two requests',
    edits: [
      { file: planner, cure: 'Math.max(end, endOf(item)) - first.start > countMax', without: 'item.start - first.start >= countMax' },
    ],
    test: { file: plannerTests, title: 'never splits a value over two requests' },
  },
  {
    trap: 'Modbus, planner: half of a value that is written',
    edits: [{ file: writer, cure: '  if (item.count !== (item.place.length ?? 1)) return [atOnce]\n', without: '' }],
    test: { file: driverTests, title: 'never writes half of a value, even where the device knows single registers only' },
  },
  {
    trap: 'Modbus, planner: gaps on a serial line as if they cost nothing',
    edits: [
      {
        file: timing,
        cure: 'return Math.floor(gapRegistersWithoutTurnaround + timing.turnaroundMs / (2 * characterMs(timing)))',
        without: 'return timing.turnaroundMs < 0 ? 0 : 125',
      },
    ],
    test: {
      file: 'test/south/modbus/serial-planning.test.ts',
      title: 'reads a gap along where that is faster than asking once more, and only there',
    },
  },
  {
    trap: 'Modbus, planner: all values of a request that are lost to one that does not exist',
    edits: [{ file: parts, cure: '? splitBlock(part.block) : undefined', without: '? undefined : undefined' }],
    test: { file: driverTests, title: 'turns bad only the tags that touch it' },
  },
  {
    trap: 'Modbus, planner: exceptions 3 and 4, which some devices say for an illegal address',
    edits: [
      { file: parts, cure: 'return isMissing(code) || code === 4', without: 'return isMissing(code)' },
      { file: parts, cure: 'return code === 1 || code === 2 || code === 3', without: 'return code === 1 || code === 2' },
    ],
    test: { file: driverTests, title: 'turns bad only the tags that touch it' },
  },
  {
    trap: 'Modbus, planner: a hole that is looked for again after each restart',
    edits: [{ file: learnt, cure: "(hole.kind === 'hole' || isFresh(hole))", without: "(hole.kind !== 'hole' && isFresh(hole))" }],
    test: { file: learningTests, title: 'is found once, told once, and known after a restart without asking' },
  },
  {
    trap: 'Modbus, planner: a hole that is asked for in every poll',
    edits: [
      {
        file: scan,
        cure: 'const probeAt = isMissing(code) ? this.#later(live) : this.#options.clock.elapsed()',
        without: 'const probeAt = this.#options.clock.elapsed()',
      },
    ],
    test: { file: learningTests, title: 'is asked for again later, ever more rarely, and forgotten when it can be read' },
  },
  {
    trap: 'Modbus, planner: a hole that is never asked for again',
    edits: [{ file: 'src/south/modbus/live-block.ts', cure: '&& now < this.#refusal.probeAt', without: '&& now >= 0' }],
    test: { file: learningTests, title: 'is asked for again later, ever more rarely, and forgotten when it can be read' },
  },
  {
    trap: 'Modbus, planner: a function that is missing and tried again with every write',
    edits: [{ file: writer, cure: '      for (const code of missing) this.#learnt.addMissing(item.unit, code)\n', without: '' }],
    test: { file: driverTests, title: 'remembers which function the device lacks' },
  },
  {
    trap: 'Modbus, planner: no FC16 where FC6 is missing',
    edits: [
      {
        file: writer,
        cure: 'functions.writeRegister, asks: each }\n  return item.count === 1 ? [oneByOne, atOnce] : [atOnce, oneByOne]',
        without: 'functions.writeRegister, asks: each }\n  return item.count === 1 ? [oneByOne] : [atOnce]',
      },
    ],
    test: { file: driverTests, title: 'one register where FC6 is missing' },
  },
  {
    trap: 'Modbus, planner: no FC15 where FC5 is missing',
    edits: [
      {
        file: writer,
        cure: 'asks: [askWriteCoils(item, raw)] }\n  return item.count === 1 ? [oneByOne, atOnce] : [atOnce, oneByOne]',
        without: 'asks: [askWriteCoils(item, raw)] }\n  return item.count === 1 ? [oneByOne] : [atOnce]',
      },
    ],
    test: { file: driverTests, title: 'one coil where FC5 is missing' },
  },
  {
    trap: 'Modbus, planner: no way to write a bit where FC22 is missing',
    edits: [
      {
        file: writer,
        cure: "    if (outcome !== 'no-function') return outcome\n",
        without: "    if (outcome !== 'no-function') return outcome\n    return { outcome: 'failed', fault: noFunction(item, [code]) }\n",
      },
    ],
    test: { file: driverTests, title: 'a bit where FC22 is missing' },
  },
  {
    trap: 'Modbus, planner: another write between reading a register and writing it back',
    edits: [
      {
        file: writer,
        cure: 'await this.#locks.hold(first.item.unit, () => this.#writeTogether(first.item, group, signal)).catch(outcomeOf)',
        without: 'await this.#writeTogether(first.item, group, signal).catch(outcomeOf)',
      },
    ],
    test: {
      file: 'test/south/modbus/batches.test.ts',
      title: 'lets nobody else on the line between the read and the write of a register, though it were another device',
    },
  },
  {
    trap: 'Modbus, planner: exceptions 5 and 6 that pass for a value that does not exist',
    edits: [{ file: parts, cure: 'return code === 5 || code === 6 || isUnitAbsent(code)', without: 'return isUnitAbsent(code)' }],
    test: { file: driverTests, title: 'later, not bad' },
  },
  {
    trap: 'Modbus, planner: exceptions 10 and 11 that pass for a device that is there',
    edits: [
      {
        file: scan,
        cure: 'if (isUnitAbsent(code)) this.#silent(live, fault, round)\n      else round.busy(live, fault)',
        without: 'round.busy(live, fault)',
      },
    ],
    test: { file: driverTests, title: 'is left alone where its gateway calls it absent, and the others are not' },
  },
  {
    trap: 'Modbus, planner: a gateway that is taken for the unit it speaks for',
    edits: [
      { file: 'src/south/modbus/tcp-client.ts', cure: 'if (isUnitAbsent(answer)) this.#options.units?.heard()\n    else ', without: '' },
    ],
    test: { file: driverTests, title: 'is left alone where its gateway calls it absent, and the others are not' },
  },
  {
    trap: 'Modbus, planner: a gateway that is given up for the units behind it',
    edits: [{ file: breaker, cure: 'if (fault instanceof LineFault) {', without: 'if (fault.isRetryable) {' }],
    test: {
      file: 'test/south/modbus/request-queue.test.ts',
      title: 'never calls a line deaf whose gateway says that all units are gone',
    },
  },
  {
    trap: 'Modbus, planner: a dead unit that costs its line a timeout in every poll',
    edits: [{ file: breaker, cure: 'const silencesMax = 2', without: 'const silencesMax = Number.POSITIVE_INFINITY' }],
    test: { file: lineTests, title: 'lose one timeout a period to a dead one, and no more, however often its device is connected to anew' },
  },
  {
    trap: 'Modbus, planner: a dead unit that everybody who asks may probe',
    edits: [
      {
        file: breaker,
        cure: '      this.#silences.set(unit, { ...silence, probeAt: (this.#clock.elapsed() + probeMs) as MonotonicMs })\n',
        without: '',
      },
    ],
    test: { file: 'test/south/modbus/request-queue.test.ts', title: 'sends one probe a period, whoever asks' },
  },
  {
    trap: 'Modbus, planner: a write whose answer is lost and that counts as failed',
    edits: [{ file: writer, cure: "return error.wasSent ? { outcome: 'unknown', fault: error } : {", without: 'return {' }],
    test: { file: driverTests, title: 'does not know when the answer is lost, and never sends it twice' },
  },
  {
    trap: 'Modbus, planner: a write that is repeated when its answer is lost',
    edits: [
      {
        file: writer,
        cure: "const answer = await this.#line.ask(ask, { urgency: 'write', signal }).catch((error: unknown) => {",
        without:
          "const again = (): Promise<Answer> => this.#line.ask(ask, { urgency: 'write', signal })\n      const answer = await again().catch(again).catch((error: unknown) => {",
      },
    ],
    test: { file: driverTests, title: 'does not know when the answer is lost, and never sends it twice' },
  },
]
