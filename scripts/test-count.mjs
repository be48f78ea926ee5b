// Prints `N passed, N failed[, N skipped]`, the sum of vitest's JSON reports named by the arguments. Exits 1 when a test failed, or when one of the
// reports has none that passed.
// Plain JavaScript, so that the machine's own Node may be an old one.
import { readFileSync } from 'node:fs'

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { success: false, numPassedTests: 0, numFailedTests: 0, testResults: [] } // the tests never came to their end
  }
}

const reports = process.argv.slice(2).map(readReport)
const sum = (count) => reports.reduce((total, report) => total + count(report), 0)
/** A file that could not be loaded has no tests to count; it counts as one that failed. */
const brokenFiles = (report) =>
  report.testResults.filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')).length
const passed = sum((report) => report.numPassedTests)
const failed = sum((report) => report.numFailedTests + brokenFiles(report))
const skipped = sum((report) => (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0))
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed === 0 && reports.every((report) => report.success && report.numPassedTests > 0) ? 0 : 1)
