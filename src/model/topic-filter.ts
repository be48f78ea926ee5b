import { z } from 'zod'

// Each level is free text or one `+`; `#` stands last. Linear: no level can hold a slash.
const filterPattern = /^(?:#|(?:[^+#/]*|\+)(?:\/(?:[^+#/]*|\+))*(?:\/#)?)$/

export const topicFilterSchema = z
  .string()
  .min(1)
  .max(1_024)
  .regex(filterPattern, 'a topic filter has + for one whole level and # only at its end: acme/+/press-07/#')
