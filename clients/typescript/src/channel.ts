// Targets, credentials and options of the channel.
import { readFileSync } from "node:fs";
import {
  ChannelCredentials,
  experimental,
  type CallCredentials,
  type ChannelOptions,
} from "@grpc/grpc-js";
import { InboxService } from "./gen/leadchat/inbox/v1/inbox_service_pb.js";
import { replicasTarget, splitAddress } from "./replicas.js";

/** TLS. A string is the path of a PEM file, or the PEM itself; bytes are PEM. */
export interface TlsOptions {
  /** The authorities of the server. By default those of Node.js. */
  readonly ca?: string | Uint8Array | undefined;
  /** The certificate of the client, with its intermediate certificates. */
  readonly certificate?: string | Uint8Array | undefined;
  /** The key of this certificate. */
  readonly key?: string | Uint8Array | undefined;
  /** The name in the certificate. By default the host. A list of several hosts needs it. */
  readonly serverName?: string | undefined;
}

const SERVICE_CONFIG = JSON.stringify({
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    // A watch resumes by itself, with what it holds by then.
    { name: [{ service: InboxService.typeName, method: InboxService.method.watchInboxes.name }] },
    {
      name: [{ service: InboxService.typeName }],
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: "1s",
        maxBackoff: "10s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
});

/** The options of the channel. Proxies of the environment are for the web, and not for gRPC. */
export function channelOptions(
  maxResponseBytes: number | undefined,
  serverName: string | undefined,
): ChannelOptions {
  return {
    "grpc.service_config": SERVICE_CONFIG,
    "grpc.enable_http_proxy": 0,
    // After an outage, the replicas are found again as soon as a watch asks for them.
    "grpc.max_reconnect_backoff_ms": 10_000,
    // While calls are under way, a dead peer is noticed after 30 seconds.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    ...(maxResponseBytes !== undefined && { "grpc.max_receive_message_length": maxResponseBytes }),
    ...(serverName !== undefined && { "grpc.ssl_target_name_override": serverName }),
  };
}

/** The target of the channel. Plaintext is for this machine only. */
export function channelTarget(
  address: string | readonly string[],
  tls: TlsOptions | undefined,
): string {
  if (typeof address === "string" && address.startsWith("unix:")) return address;
  const addresses = typeof address === "string" ? [address] : address;
  if (addresses.length === 0) throw new TypeError("a list of replicas has at least one address");
  const hosts = addresses.map((text) => splitAddress(text).host.toLowerCase());
  const remote = hosts.findIndex((host) => !/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host));
  if (tls === undefined && remote >= 0) {
    throw new TypeError(`${addresses[remote]} is no loopback address, so it needs TLS`);
  }
  // grpc-js verifies one name for all.
  if (tls !== undefined && tls.serverName === undefined && new Set(hosts).size > 1) {
    throw new TypeError("replicas on several hosts need tls.serverName");
  }
  return typeof address === "string" ? `dns:${address}` : replicasTarget(addresses);
}

/** The credentials of the channel. */
export function channelCredentials(tls: TlsOptions | undefined): ChannelCredentials {
  return tls === undefined ? ChannelCredentials.createInsecure() : new FileCredentials(tls);
}

// TLS that reads its files for each new connection. While they are unreadable, or certificate and
// key do not match, the last good ones stay.
class FileCredentials extends ChannelCredentials {
  readonly #tls: TlsOptions;
  #last: ChannelCredentials;

  constructor(tls: TlsOptions) {
    super();
    this.#tls = tls;
    this.#last = this.#read();
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    target: experimental.GrpcUri,
    options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): experimental.SecureConnector {
    const next = () => this.#last._createSecureConnector(target, options, callCredentials);
    const first = next();
    return {
      connect: (socket) => {
        this.#reread();
        return next().connect(socket);
      },
      waitForReady: () => first.waitForReady(),
      getCallCredentials: () => first.getCallCredentials(),
      destroy: () => first.destroy(),
    };
  }

  #read(): ChannelCredentials {
    const { ca, key, certificate } = this.#tls;
    return ChannelCredentials.createSsl(readPem(ca), readPem(key), readPem(certificate));
  }

  #reread(): void {
    try {
      this.#last = this.#read();
    } catch {
      // The last good ones stay.
    }
  }
}

function readPem(pem: string | Uint8Array | undefined): Buffer | null {
  if (pem === undefined) return null;
  if (typeof pem !== "string") return Buffer.from(pem);
  return pem.includes("-----BEGIN ") ? Buffer.from(pem) : readFileSync(pem);
}
