import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Records } from "./store/records";
import type { ActionType } from "./store/rows";

const SECONDS = [0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 120];

/** What the propagator counts, in the words of Prometheus. */
export class Metrics {
  readonly registry = new Registry();
  private readonly requests = new Counter({
    name: "propagator_http_requests_total",
    help: "Requests answered.",
    labelNames: ["route", "method", "status"],
    registers: [this.registry],
  });
  private readonly requestSeconds = new Histogram({
    name: "propagator_http_request_duration_seconds",
    help: "Time from a request to its answer.",
    labelNames: ["route", "method"],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [this.registry],
  });
  private readonly actionSeconds = new Histogram({
    name: "propagator_action_duration_seconds",
    help: "Time from a request to the end of its action.",
    labelNames: ["type", "outcome"],
    buckets: SECONDS,
    registers: [this.registry],
  });
  private readonly frozenSeconds = new Histogram({
    name: "propagator_freeze_seconds",
    help: "Time for which a checkpoint's processes stood still.",
    buckets: [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5],
    registers: [this.registry],
  });

  constructor(records: Records) {
    const registers = [this.registry];
    new Gauge({
      name: "propagator_actions_running",
      help: "Actions under way.",
      labelNames: ["type"],
      registers,
      collect() {
        for (const type of ["checkpoint_pod", "restore_pod"] as const) this.set({ type }, records.countRunning(type));
      },
    });
    const stored = (name: string, help: string, value: (row: { count: number; bytes: number }) => number): Gauge =>
      new Gauge({
        name,
        help,
        labelNames: ["node"],
        registers,
        collect() {
          this.reset();
          for (const row of records.stored()) this.set({ node: row.node }, value(row));
        },
      });
    stored("propagator_checkpoints", "Checkpoints kept.", ({ count }) => count);
    stored("propagator_checkpoint_bytes", "Bytes of the checkpoints kept.", ({ bytes }) => bytes);
  }

  request(route: string, method: string, status: number, ms: number): void {
    this.requests.inc({ route, method, status });
    this.requestSeconds.observe({ route, method }, ms / 1000);
  }

  ended(type: ActionType, outcome: string, ms: number): void {
    this.actionSeconds.observe({ type, outcome }, ms / 1000);
  }

  froze(microseconds: number): void {
    this.frozenSeconds.observe(microseconds / 1e6);
  }
}
