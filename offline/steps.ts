/** One piece of work that takes long enough to be shown. */
export interface Step {
  /** Key of its time in the report. */
  name: string;
  title: string;
  work: () => Promise<void>;
}
