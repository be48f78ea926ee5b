import type { Cure } from './cure.ts'

const environments = 'src/model/expression-environments.ts'
const expression = 'src/model/expression.ts'
const rules = 'src/model/expression-rules.ts'
const unit = 'systemd/lineside.service'
const expressionTests = 'test/model/expression.test.ts'
const unitTests = 'test/systemd/unit.test.ts'
const couldHang = 'is refused, with the place, when it is wrong or could hang'

/**
 * The traps of CEL, systemd, Node and npm. HTTP has none in the list, and these have no cure in our code: that Node speaks no datagrams over
 * AF_UNIX (there is no other way than koffi's, and test/runtime/notify.test.ts goes it), what `npm ci` needs of older Nodes, and types that are not
 * stripped below node_modules (nothing is packaged from source).
 */
export const runtimeCures: readonly Cure[] = [
  ...['maxAstNodes: 500', 'maxDepth: 40', 'maxListElements: 100', 'maxMapEntries: 50'].map((limit) => ({
    trap: `CEL: an expression without a bound, ${limit.replace(/:.*/, '')}`,
    edits: [{ file: environments, cure: limit, without: limit.replace(/\d+/, '1_000_000') }],
    test: { file: expressionTests, title: couldHang },
  })),
  {
    trap: 'CEL: matches(), whose regular expression can hang the thread',
    edits: [{ file: rules, cure: "if (method === 'matches') {", without: "if (method === '') {" }],
    test: { file: expressionTests, title: couldHang },
  },
  {
    trap: 'CEL: loops within loops',
    edits: [{ file: rules, cure: 'if (loops.has(method) && args.some(hasLoop)) {', without: "if (method === '' && args.some(hasLoop)) {" }],
    test: { file: expressionTests, title: couldHang },
  },
  {
    trap: 'CEL: an operand that is missing and makes the expression throw',
    edits: [{ file: expression, cure: '    } catch {\n      return undefined\n', without: '    } catch (error) {\n      throw error\n' }],
    test: { file: expressionTests, title: 'is unknown, not false, when an operand is' },
  },
  {
    trap: 'CEL: unknown that passes for false',
    edits: [{ file: expression, cure: '    } catch {\n      return undefined\n', without: '    } catch {\n      return plain(false)\n' }],
    test: { file: expressionTests, title: 'is unknown, not false, when an operand is' },
  },
  {
    trap: 'CEL: unknown that lets a write pass its interlock',
    edits: [
      {
        file: 'src/control/interlocks.ts',
        cure: "return typeof value === 'boolean' ? value : 'unknown'",
        without: 'return value === undefined || value === true',
      },
    ],
    test: { file: 'test/control/command-road.test.ts', title: 'refuses an interlock whose operand is not good' },
  },
  {
    trap: 'CEL: null that is compared like a value',
    edits: [
      {
        file: expression,
        cure: 'if (value === null || value === undefined) throw unknownOperand',
        without: 'if (value === undefined) throw unknownOperand',
      },
    ],
    test: { file: expressionTests, title: 'is unknown, not false, when an operand is' },
  },
  {
    trap: 'CEL: not-a-number, compared with which everything is false',
    edits: [
      {
        file: expression,
        cure: "  if (typeof present === 'number' && Number.isNaN(present)) throw unknownOperand\n",
        without: '',
      },
    ],
    test: { file: expressionTests, title: 'is unknown, not false, when an operand is' },
  },
  {
    trap: 'CEL: the last value of a tag that is bad or stale',
    edits: [
      {
        file: expression,
        cure: "if (sample === undefined || sample.quality === 'bad' || sample.quality === 'stale') throw unknownOperand",
        without: 'if (sample === undefined) throw unknownOperand',
      },
    ],
    test: { file: expressionTests, title: 'is unknown while a quality is bad or stale, and goes on while it is uncertain' },
  },
  {
    trap: 'systemd: MemoryDenyWriteExecute=, which kills V8',
    edits: [
      { file: unit, cure: '# MemoryDenyWriteExecute= stays off: V8 writes the code that it runs.', without: 'MemoryDenyWriteExecute=yes' },
    ],
    test: { file: unitTests, title: 'do not forbid what V8 needs, and allow serial lines' },
  },
  {
    trap: 'systemd: a plain unit, which may do everything',
    edits: [
      { file: unit, cure: 'SystemCallFilter=@system-service\nSystemCallFilter=~@privileged @resources @obsolete\n', without: '' },
      { file: unit, cure: 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n', without: '' },
    ],
    test: { file: unitTests, title: 'expose at most' },
  },
  {
    trap: 'systemd: a watchdog that is fed whatever hangs',
    edits: [{ file: 'src/runtime/watchdog.ts', cure: '        await ping(pauseMs)\n', without: '' }],
    test: {
      file: 'test/runtime/watchdog.test.ts',
      title: 'is fed three times a period while all rooms answer, not while one hangs, and again when it is back',
    },
  },
]
