/**
 * Whether a connection failed because the host itself said that nobody listens at that port: the process that did has
 * ended. A host that is down, cut off or frozen says nothing.
 */
export function isConnectionRefused(error: unknown): boolean {
  return error instanceof Error && (error as { readonly code?: unknown }).code === 'ECONNREFUSED';
}
