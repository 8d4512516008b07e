// The servers file, and clients of its endpoints.
import { readFileSync } from "node:fs";
import { InboxClient, type InboxClientOptions } from "@leadchat/inbox-client";

export interface Servers {
  plain: { address: string };
  unix: { address: string };
  tls: { address: string; ca: string };
  callers: Record<string, { certificate?: string; key?: string; token?: string }>;
  viewer_tokens: Record<string, string>;
  replicas: string[];
}

export function readServers(path: string): Servers {
  return JSON.parse(readFileSync(path, "utf8")) as Servers;
}

export function readToken(path: string): string {
  return readFileSync(path, "utf8").trim();
}

export function viewerToken(servers: Servers, user: string): string {
  const path = servers.viewer_tokens[user];
  if (path === undefined) throw new Error(`the servers file has no token of user ${user}`);
  return readToken(path);
}

/** A client over TLS with the credentials of a caller; without any if the file has none. */
export function callerClient(
  servers: Servers,
  name: string,
  options: InboxClientOptions = {},
): InboxClient {
  const { certificate, key, token } = servers.callers[name] ?? {};
  return new InboxClient(servers.tls.address, {
    tls: { ca: servers.tls.ca, certificate, key },
    token: token === undefined ? undefined : () => readToken(token),
    ...options,
  });
}

export function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
