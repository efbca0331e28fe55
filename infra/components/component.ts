import * as pulumi from "@pulumi/pulumi";

/** What every component takes beside its own arguments. */
export interface ComponentOptions extends pulumi.ComponentResourceOptions {
  /** Deleting this resource takes the component's resources along: the node of a cluster that is all ours. */
  deletedWith?: pulumi.Resource;
}

/** Labels or annotations. */
export type Labels = Record<string, pulumi.Input<string>>;

/** What every component takes that makes objects in a cluster. */
export interface ObjectArgs {
  /** Labels of each object that the component makes, beside its own. Default none. */
  labels?: Labels;
}

/** Metadata of an object before it is declared; its maps are plain, so that a transformation can add to them. */
export interface Metadata {
  name: pulumi.Input<string>;
  namespace?: pulumi.Input<string>;
  labels: Labels;
  annotations: Labels;
}

/** Arguments of an object before it is declared; `Plain` are those that a transformation can reach into. */
export type Draft<Args, Plain = unknown> = Omit<Args, "metadata" | keyof Plain> & Plain & { metadata: Metadata };

/**
 * Changes an object that a component is about to declare: edits its arguments, and the options beside them, in place.
 */
export type Transform<Args> = (args: Args, options: pulumi.CustomResourceOptions) => void;

/** A component of this project: one concern, its children named after it, its provider inherited. */
export abstract class Component extends pulumi.ComponentResource {
  private readonly inherited: pulumi.CustomResourceOptions;

  /** @param kind last part of the type token, e.g. `Access` */
  protected constructor(
    kind: string,
    private readonly called: string,
    options: ComponentOptions,
  ) {
    super(`bay-e2e:index:${kind}`, called, {}, options);
    this.inherited = { parent: this, ...(options.deletedWith ? { deletedWith: options.deletedWith } : {}) };
  }

  /**
   * Name of a child, as two components of a kind must not have children of one name. @param part which child it is; of
   * an only one nothing
   */
  protected childName(part = ""): string {
    return part === "" ? this.called : `${this.called}-${part}`;
  }

  /** Options for a child; `more` adds to what all children share. */
  protected child(more: pulumi.CustomResourceOptions = {}): pulumi.CustomResourceOptions {
    return { ...this.inherited, ...more };
  }

  /**
   * Declares an object of the cluster, once the caller's transformation has seen it. @param part which child it is; of
   * an only one empty
   */
  protected declare<Args extends { metadata: Metadata }, Made>(
    kind: new (name: string, args: Args, options: pulumi.CustomResourceOptions) => Made,
    part: string,
    draft: Args,
    transform?: Transform<Args>,
    more?: pulumi.CustomResourceOptions,
  ): Made {
    const options = this.child(more);
    transform?.(draft, options);
    return new kind(this.childName(part), { ...draft, metadata: withoutEmpty(draft.metadata) }, options);
  }
}

/** An empty map of labels would be a change to an object that was declared without one. */
function withoutEmpty(metadata: Metadata): Metadata {
  return Object.fromEntries(
    Object.entries(metadata).filter(
      ([, value]) =>
        typeof value !== "object" || Object.keys(value as object).length > 0 || pulumi.Output.isInstance(value),
    ),
  ) as unknown as Metadata;
}
