import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * A stand-in of the node's tool for tests of the propagator's own logic: a program with the same command line, whose
 * store is a folder of manifests. Containers are files in `containers/`, whose text is a refusal's JSON, or empty. A
 * file `hold` keeps dumps waiting until it is gone.
 */
export class ToolStandIn {
  readonly command: string[];
  readonly store: string;

  constructor(private readonly folder: string) {
    this.store = path.join(folder, "store");
    mkdirSync(this.store, { recursive: true });
    mkdirSync(path.join(folder, "containers"));
    const script = path.join(folder, "runc-cr");
    writeFileSync(script, PROGRAM.replace("FOLDER", `'${folder}'`));
    chmodSync(script, 0o700);
    this.command = [script];
  }

  /** @param refusal what a dump of it answers */
  container(id: string, refusal?: { code: string; message: string; criu?: string[] }): void {
    writeFileSync(path.join(this.folder, "containers", id), refusal ? JSON.stringify({ criu: [], ...refusal }) : "");
  }

  set(name: "hold" | "broken" | "stuck", text = ""): void {
    writeFileSync(path.join(this.folder, name), text);
  }

  has(name: string): boolean {
    return existsSync(path.join(this.folder, name));
  }

  get stored(): string[] {
    return readdirSync(this.store).sort();
  }

  /** The commands of all calls, e.g. `dump 4f… 0c…`. */
  get calls(): string[] {
    return existsSync(path.join(this.folder, "calls"))
      ? readFileSync(path.join(this.folder, "calls"), "utf8").trim().split("\n")
      : [];
  }
}

const PROGRAM = String.raw`#!/bin/sh
folder=FOLDER; store=$RUNC_CR_STORE; command=$1; shift; first=$1
fail() { printf '%s\n' "$1" >&2; exit 1; }
while [ $# -gt 1 ]; do case $1 in --container) container=$2;; --id) id=$2;; --runc-root) root=$2;; --max-bytes) bytes=$2;; esac; shift; done
echo "$command" $container ${"${id:-$first}"} >> "$folder/calls"
case $command in
dump)
  file=$folder/containers/$container
  [ -e "$file" ] || fail '{"code":"container_not_found","message":"runc knows no such container","criu":[]}'
  [ -e "$store/$id" ] && fail '{"code":"exists","message":"the store has it","criu":[]}'
  [ -s "$file" ] && fail "$(cat "$file")"
  [ -n "$root" ] && [ -n "$bytes" ] || fail '{"code":"usage","message":"an option is missing","criu":[]}'
  while [ -e "$folder/hold" ]; do sleep 0.01; done
  sum=$(printf 'ab%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
  printf '{"id":"%s","created":"2026-01-01T00:00:00.000Z","container":{"id":"%s","name":"app","image":"demo","imageId":"sha256:0"},"bytes":1000,"memoryBytes":900,"rootfsBytes":50,"freezeMicroseconds":61000,"durationMicroseconds":230000,"files":{},"checksum":"sha256:%s"}' "$id" "$container" "$sum" > "$folder/made.$id"
  mv "$folder/made.$id" "$store/$id"; cat "$store/$id";;
verify) cat "$store/$first";;
remove)
  [ -e "$folder/stuck" ] && fail '{"code":"internal","message":"the disk is stuck","criu":[]}'
  if [ -e "$store/$first" ]; then rm "$store/$first"; printf '{"id":"%s","removed":true,"bytes":1000}' "$first"; else printf '{"id":"%s","removed":false,"bytes":0}' "$first"; fi;;
list)
  printf '{"store":"%s","bytes":0,"freeBytes":1000000000,"checkpoints":[' "$store"; comma=
  for file in "$store"/*; do [ -e "$file" ] && printf %s "$comma" && cat "$file" && comma=,; done
  printf ']}';;
sweep) printf '{"removed":[]}';;
check)
  ok=true; [ -e "$folder/broken" ] && ok=false
  printf '{"ok":%s,"checks":[{"name":"criu","ok":%s,"found":"3.17","needed":"4.2","fix":"install criu 4.2"}]}' $ok $ok; [ $ok = true ];;
esac
`;
