/** A resource whose configuration a request asks for, by its type (`ConfigResourceType`) and name. */
interface RequestedResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

interface FailedResource extends RequestedResource {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** The answers to the resources of a request about configurations that failed as a whole. */
export function failedResources(
  resources: readonly RequestedResource[],
  errorCode: number,
  errorMessage: string | null,
): FailedResource[] {
  return resources.map(({ resourceType, resourceName }) => ({
    resourceType,
    resourceName,
    errorCode,
    errorMessage,
  }));
}
