/** `pulumi-resource-docker` 5.2.0, where the official plugin cannot be had. */
import { servePlugin } from "../rpc";
import { createHandlers } from "./provider";

void servePlugin({ version: "5.2.0", handlers: createHandlers() });
