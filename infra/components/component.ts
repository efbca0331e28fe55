import * as pulumi from "@pulumi/pulumi";

/** What every component takes beside its own arguments. */
export interface ComponentOptions extends pulumi.ComponentResourceOptions {
  /** Deleting this resource takes the component's resources along: the node of a cluster that is all ours. */
  deletedWith?: pulumi.Resource;
}

/** A component of this project: one concern, its children named after it, its provider inherited. */
export abstract class Component extends pulumi.ComponentResource {
  private readonly inherited: pulumi.CustomResourceOptions;

  /** @param kind last part of the type token, e.g. `Access` */
  protected constructor(kind: string, name: string, options: ComponentOptions) {
    super(`bay-e2e:index:${kind}`, name, {}, options);
    this.inherited = { parent: this, ...(options.deletedWith ? { deletedWith: options.deletedWith } : {}) };
  }

  /** Options for a child; `more` adds to what all children share. */
  protected child(more: pulumi.CustomResourceOptions = {}): pulumi.CustomResourceOptions {
    return { ...this.inherited, ...more };
  }
}
