import sdk from "@pulumi/kubernetes/package.json";

/** Version of the official plugin that this one stands in for: that of the SDK the project uses. */
export const PLUGIN_VERSION: string = sdk.version;
