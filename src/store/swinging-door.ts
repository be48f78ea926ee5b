/** One value of a trend. */
export interface TrendPoint {
  readonly timeMs: number
  readonly value: number
}

/**
 * The places of the points to keep, so that straight lines between them pass no other point by more than `deviation`: the swinging door of
 * Bristol (1990). First and last are always kept. Linear in the number of points.
 */
export function swingingDoor(points: readonly TrendPoint[], deviation: number): readonly number[] {
  const kept = [0]
  let door = openDoor()
  let post = points[0]
  for (let place = 1; place < points.length; place += 1) {
    const [before, point] = [points[place - 1], points[place]]
    if (post === undefined || before === undefined || point === undefined) break
    const isBack = point.timeMs <= before.timeMs // what lies between is no line
    if (!isBack && swing(door, { post, point, deviation })) continue
    if (kept.at(-1) !== place - 1) kept.push(place - 1)
    door = openDoor()
    post = isBack ? point : before
    if (isBack) kept.push(place)
    else swing(door, { post, point, deviation })
  }
  if (points.length > 1 && kept.at(-1) !== points.length - 1) kept.push(points.length - 1)
  return points.length === 0 ? [] : kept
}

interface Door {
  steepestLow: number
  flattestHigh: number
}

function openDoor(): Door {
  return { steepestLow: Number.NEGATIVE_INFINITY, flattestHigh: Number.POSITIVE_INFINITY }
}

/** False where no line from the post passes all points any more. */
function swing(
  door: Door,
  { post, point, deviation }: { readonly post: TrendPoint; readonly point: TrendPoint; readonly deviation: number },
): boolean {
  const tookMs = point.timeMs - post.timeMs
  door.steepestLow = Math.max(door.steepestLow, (point.value - deviation - post.value) / tookMs)
  door.flattestHigh = Math.min(door.flattestHigh, (point.value + deviation - post.value) / tookMs)
  return door.steepestLow <= door.flattestHigh
}
