import type { Agent } from "node:http";
import type { Socket } from "node:net";

/**
 * Has an agent close the connections that have waited so long for their next request. Its own option `timeout` counts
 * the time of connecting too, and a request hears of it: on a busy host axios calls that the end of its own, longer
 * time.
 * @param ms milliseconds; less than the server's own limit, or a request meets a connection that is closing
 */
export function limitIdle<A extends Agent>(agent: A, ms: number): A {
  const keep = agent.keepSocketAlive.bind(agent) as (socket: Socket) => boolean;
  const reuse = agent.reuseSocket.bind(agent);
  function close(this: Socket): void {
    this.destroy();
  }
  // The agent asks for an answer, which the types do not know: false, and the connection is not kept.
  agent.keepSocketAlive = ((socket: Socket): boolean => {
    const kept = keep(socket);
    if (kept) socket.setTimeout(ms, close);
    return kept;
  }) as Agent["keepSocketAlive"];
  agent.reuseSocket = (socket, request) => {
    (socket as Socket).setTimeout(0, close);
    reuse(socket, request);
  };
  return agent;
}
