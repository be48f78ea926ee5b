/** `mqtt:` of the bench's sites: its clients may publish, and come in numbers and at a pace that a plant's would not. */
export const openLimits = {
  anonymous: { role: 'engineer' },
  limits: { clients: 1_200, messageRate: 1_000_000, connectRate: 100_000, offlineMessages: 50_000, offlineSize: '512MiB' },
} as const
