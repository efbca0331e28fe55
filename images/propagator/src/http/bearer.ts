import { createHash, timingSafeEqual } from "node:crypto";

/** Compares bearer tokens in a time that says nothing of the right one. */
export class Bearer {
  private readonly digest: Buffer;

  constructor(token: string) {
    this.digest = sha256(token);
  }

  /** @param header the request's `Authorization` */
  accepts(header: string | undefined): boolean {
    const given = /^Bearer (.+)$/i.exec(header ?? "")?.[1];
    return given !== undefined && timingSafeEqual(this.digest, sha256(given.trim()));
  }
}

const sha256 = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest();
