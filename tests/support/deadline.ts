/**
 * A signal that fires after a time, or with another signal if that comes first.
 *
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])` says the same, but in Node up to 24 never fires once the
 * timeout's signal, which nothing else holds, was garbage-collected (nodejs/node #57736): the call that it should end
 * hangs.
 */
export function deadlineSignal(ms: number, signal?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const follow = (): void => {
    clearTimeout(timer);
    controller.abort(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", follow);
    controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  }, ms).unref();
  if (signal?.aborted) follow();
  else signal?.addEventListener("abort", follow, { once: true });
  return controller.signal;
}
