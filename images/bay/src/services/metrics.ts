import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { now } from "../ids";
import type { ServiceContext } from "./context";
import type { TaskResult } from "./gc";
import { statusOf } from "./status";
import type { OpenRuntimes } from "./open-runtimes";
import type { SetAside } from "./set-aside";
import type { StartQueue } from "./start-queue";

/** How a start ended, for its histogram. */
export type StartOutcome = "running" | "failed";

/** What Bay counts, in the words of Prometheus. Each Bay has a registry of its own. */
export class Metrics {
  readonly registry = new Registry();
  private readonly requests = this.counter("bay_http_requests_total", "Requests answered.", [
    "route",
    "method",
    "status",
  ]);
  private readonly requestSeconds = this.histogram(
    "bay_http_request_duration_seconds",
    "Time from a request to its answer.",
    ["route", "method"],
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  );
  private readonly startSeconds = this.histogram(
    "bay_sandbox_start_duration_seconds",
    "Time of a sandbox's start, its wait in the queue included.",
    ["outcome"],
    [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 30, 60, 120],
  );
  private readonly collected = this.counter("bay_gc_cleaned_total", "Things that the garbage collector removed.", [
    "task",
  ]);
  private readonly skipped = this.counter(
    "bay_gc_skipped_total",
    "Things that the garbage collector left because they were in use again.",
    ["task"],
  );
  private readonly failed = this.counter("bay_gc_errors_total", "Things that the garbage collector could not remove.", [
    "task",
  ]);

  constructor(
    { store }: Pick<ServiceContext, "store">,
    { starts, aside, open }: { starts: StartQueue; aside: SetAside; open: OpenRuntimes },
  ) {
    const registers = [this.registry];
    new Gauge({
      name: "bay_sandboxes",
      help: "Live sandboxes.",
      labelNames: ["status"],
      registers,
      collect() {
        this.reset();
        for (const status of ["idle", "starting", "ready", "failed", "expired"]) this.set({ status }, 0);
        for (const { state, expired, count } of store.sandboxesByState(now()))
          this.inc({ status: statusOf(state, expired) }, count);
      },
    });
    new Gauge({
      name: "bay_start_queue_length",
      help: "Starts that wait for their turn.",
      registers,
      collect() {
        this.set(starts.length);
      },
    });
    new Gauge({
      name: "bay_starts_running",
      help: "Starts under way.",
      registers,
      collect() {
        this.set(starts.running);
      },
    });
    new Gauge({
      name: "bay_set_aside",
      help: "Volumes and session pods that the database knows nothing of, as of the last look.",
      labelNames: ["kind"],
      registers,
      collect() {
        for (const kind of ["volume", "session"] as const) this.set({ kind }, aside.count(kind));
      },
    });
    new Gauge({
      name: "bay_open_runtime_images",
      help: "Images whose runtime answers without its session's token.",
      labelNames: ["image"],
      registers,
      collect() {
        this.reset();
        for (const image of open.images()) this.set({ image }, 1);
      },
    });
  }

  /** @param route The route's pattern, never a path with ids. */
  request(route: string, method: string, status: number, ms: number): void {
    this.requests.inc({ route, method, status });
    this.requestSeconds.observe({ route, method }, ms / 1000);
  }

  start(outcome: StartOutcome, ms: number): void {
    this.startSeconds.observe({ outcome }, ms / 1000);
  }

  gc({ task_name: task, cleaned_count, skipped_count, errors }: TaskResult): void {
    this.collected.inc({ task }, cleaned_count);
    this.skipped.inc({ task }, skipped_count);
    this.failed.inc({ task }, errors.length);
  }

  private counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private histogram(name: string, help: string, labelNames: string[], buckets: number[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }
}
