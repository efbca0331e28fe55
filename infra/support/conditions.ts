/** One of the conditions in the status of an object, as the API server tells them. */
export interface Condition {
  type: string;
  status: string;
}

/** Whether an object's status says that it is ready. */
export function saysReady(status: { conditions?: readonly Condition[] | undefined } | undefined): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
}
