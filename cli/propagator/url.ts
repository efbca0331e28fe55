import { UserError } from "../../infra/support/errors";

/**
 * The base of all calls, without a version: from what `CEDANA_URL` says one trailing `/` is dropped, then one trailing
 * `/v1`; without a scheme it is `https://`.
 * @throws UserError E_PROPAGATOR_TARGET for what is no address of a server
 */
export function baseUrl(given: string): string {
  const bare = given.trim().replace(/\/$/, "").replace(/\/v1$/, "");
  const url = /^https?:\/\//.test(bare) ? bare : `https://${bare}`;
  if (URL.canParse(url) && !/[\s?#@]|^https?:\/\/https?:/.test(url)) return url;
  throw new UserError("E_PROPAGATOR_TARGET", {
    seen: `the address ${JSON.stringify(withoutLogin(given))}`,
    wanted: "the address of a propagator, without a login in it",
    next: "export CEDANA_URL=https://HOST/v1",
  });
}

/** `https://HOST/v1`, as charts and daemons want it. */
export function versionedUrl(given: string): string {
  return `${baseUrl(given)}/v1`;
}

function withoutLogin(text: string): string {
  return text.replace(/[^/\s]*@/g, "[login]@");
}
