// Addresses `host:port`, and the resolver of a list of them.
import { lookup } from "node:dns/promises";
import { experimental } from "@grpc/grpc-js";

const SCHEME = "leadchat-inbox-replicas";

/** The host, without the brackets of IPv6, and the port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Splits `host:port`. */
export function splitAddress(text: string): HostPort {
  const { host = "", port } = { ...experimental.splitHostPort(text) };
  if (host === "" || port === undefined || /[,/]/.test(text)) {
    throw new TypeError("an address is host:port, or unix:/path alone");
  }
  return { host, port };
}

/** The target of a channel over these addresses. */
export function replicasTarget(addresses: readonly string[]): string {
  experimental.registerResolver(SCHEME, ReplicaResolver);
  return `${SCHEME}:${addresses.join(",")}`;
}

class ReplicaResolver implements experimental.Resolver {
  readonly #addresses: HostPort[];
  readonly #listener: experimental.ResolverListener;
  #running = false;
  #destroyed = false;
  #reported = "";

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener) {
    this.#addresses = target.path.split(",").map(splitAddress);
    this.#listener = listener;
  }

  /** The authority, and the name in the certificate if no other is set. */
  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path.split(",")[0] ?? "";
  }

  updateResolution(): void {
    this.#destroyed = false;
    if (this.#running) return;
    this.#running = true;
    void this.#resolve().finally(() => (this.#running = false));
  }

  destroy(): void {
    this.#destroyed = true;
    this.#reported = "";
  }

  // A list that has not changed is not reported anew: its connections stay.
  async #resolve(): Promise<void> {
    const endpoints = await Promise.all(this.#addresses.map(resolveAddress));
    const text = JSON.stringify(endpoints);
    if (this.#destroyed || text === this.#reported) return;
    this.#reported = text;
    this.#listener(experimental.statusOrFromValue(endpoints), {}, null, "");
  }
}

// A name without an address stays a name, which each attempt to connect looks up again.
async function resolveAddress({ host, port }: HostPort): Promise<experimental.Endpoint> {
  const found = await lookup(host, { all: true }).catch(() => [{ address: host }]);
  return { addresses: found.map(({ address }) => ({ host: address, port })) };
}
