/** Files that are put into a container before it starts. */
import { readFileSync } from "node:fs";
import { pack } from "tar-stream";
import type { Inputs } from "../../inputs";
import type { Scope } from "../resource";

/** @throws Error when a file has no content or more than one. */
export async function uploadFiles(id: string, inputs: Inputs, { client, signal }: Scope): Promise<void> {
  const uploads = inputs.objects("uploads");
  if (uploads.length === 0) return;
  const archive = pack();
  for (const upload of uploads) {
    const file = upload.text("file") ?? "";
    archive.entry(
      {
        name: file.replace(/^\/+/, ""),
        mode: upload.text("permissions")
          ? parseInt(upload.text("permissions") ?? "", 8)
          : upload.flag("executable")
            ? 0o744
            : 0o644,
      },
      content(file, upload),
    );
  }
  archive.finalize();
  await client.json("PUT", `/containers/${id}/archive`, { query: { path: "/" }, tar: archive, signal });
}

function content(file: string, upload: Inputs): Buffer {
  const [text, base64, source] = [upload.text("content"), upload.text("contentBase64"), upload.text("source")];
  if ([text, base64, source].filter((given) => given !== undefined).length !== 1)
    throw new Error(`the upload of ${file} needs one of content, contentBase64 and source`);
  if (source !== undefined) return readFileSync(source);
  return text === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(text, "utf8");
}
