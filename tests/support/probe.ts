import { request } from "node:http";
import type { Duplex } from "node:stream";

/**
 * Asks for `path` over a fresh connection.
 * @param dial opens the connection
 * @param within milliseconds for the whole exchange
 * @returns `undefined` when 200 came back, else what came instead
 */
export async function probe(dial: () => Promise<Duplex>, path: string, within: number): Promise<string | undefined> {
  let connection: Duplex | undefined;
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, within, `GET ${path} had no answer within ${within / 1000} s`);
  });
  const exchange = async (): Promise<string | undefined> => {
    connection = await dial();
    if (over) connection.destroy();
    return over ? undefined : ask(connection, path);
  };
  const answer = exchange();
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    return `GET ${path} failed: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    over = true;
    clearTimeout(timer);
    connection?.destroy();
  }
}

function ask(connection: Duplex, path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const call = request({ path, host: "127.0.0.1", createConnection: () => connection }, (response) => {
      response.resume();
      response.once("error", reject);
      resolve(response.statusCode === 200 ? undefined : `GET ${path} answered ${response.statusCode}`);
    });
    call.once("error", reject);
    call.end();
  });
}
