/** What a project's main process gives to its workers: by environment, never by a file, as it holds secrets. */
export interface Handover<T> {
  publish(value: T): void;
  withdraw(): void;
  /** @throws Error when no global set-up has run */
  read(): T;
}

/** @param project whose global set-up publishes; named in the error */
export function handover<T>(variable: string, project: string): Handover<T> {
  return {
    publish: (value) => {
      process.env[variable] = JSON.stringify(value);
    },
    withdraw: () => {
      Reflect.deleteProperty(process.env, variable);
    },
    read: () => {
      const text = process.env[variable];
      if (!text) throw new Error(`no session: the ${project} project's global set-up has not run`);
      return JSON.parse(text) as T;
    },
  };
}
