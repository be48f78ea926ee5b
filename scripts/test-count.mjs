// Prints `N passed, N failed[, N skipped]` from vitest's JSON report named by the argument. Exits 1 when a test failed or none ran.
// Plain JavaScript, so that the machine's own Node may be an old one.
import { readFileSync } from 'node:fs'

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { success: false, numPassedTests: 0, numFailedTests: 0, testResults: [] } // the tests never came to their end
  }
}

const report = readReport(process.argv[2])
/** A file that could not be loaded has no tests to count; it counts as one that failed. */
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
).length
const passed = report.numPassedTests
const failed = report.numFailedTests + brokenFiles
const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0)
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(report.success && failed === 0 && passed > 0 ? 0 : 1)
