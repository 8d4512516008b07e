// Whether a watch goes on after its call has ended, and when.
import { status as Code } from "@grpc/grpc-js";
import type { InboxError } from "./error.js";

const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;

// The server ends a connection within a second after it has refused its certificate. A call on it
// would present the old one again.
const CERTIFICATE_DELAY_MS = 2000;

// The time for a `synced` after CREDENTIALS_EXPIRED. Until an expired certificate is renewed,
// handshakes fail as UNAVAILABLE.
const RENEWAL_MS = 30_000;

/** The delays between the calls of a watch. */
export class Resumption {
  #backoffMs = MIN_BACKOFF_MS;
  // Since the last `synced`: whether there was a call at once after the end of another.
  #wasAtOnce = false;
  // Of the first credential that has expired since then: its error, and the time limit.
  #expired: { readonly error: InboxError; readonly endMs: number } | undefined;

  /** The time that is left for a `synced`, in milliseconds. Infinity if no credential expired. */
  get leftMs(): number {
    return this.#expired === undefined ? Infinity : this.#expired.endMs - performance.now();
  }

  /** Throws CREDENTIALS_EXPIRED if the credentials were not renewed in time. */
  assertRenewed(): void {
    if (this.#expired !== undefined && this.leftMs <= 0) throw this.#expired.error;
  }

  /** To be called for each `synced`. */
  reset(): void {
    this.#backoffMs = MIN_BACKOFF_MS;
    this.#wasAtOnce = false;
    this.#expired = undefined;
  }

  /**
   * The delay before the next call, in milliseconds. Undefined if the error ends the watch.
   * `hasKnown` is whether the last call named inboxes.
   */
  delayMs(error: InboxError | undefined, hasKnown: boolean): number | undefined {
    switch (error?.reason) {
      case "CREDENTIALS_EXPIRED":
        return this.#renewal(error);
      case "REQUEST_TOO_LARGE":
        return hasKnown ? this.#backoff(error) : undefined;
      case "RECONNECT":
      case "SHUTTING_DOWN":
        if (this.#wasAtOnce) return this.#backoff(error);
        this.#wasAtOnce = true;
        return 0;
      default:
        return error === undefined || isTransient(error) ? this.#backoff(error) : undefined;
    }
  }

  #renewal(error: InboxError): number | undefined {
    const isCertificate = error.metadata["credential"] === "certificate";
    if (this.#expired !== undefined && !isCertificate) return undefined;
    this.#expired ??= { error, endMs: performance.now() + RENEWAL_MS };
    // Each replica may have a connection with the old certificate.
    return isCertificate ? CERTIFICATE_DELAY_MS : this.#backoff(error);
  }

  // What the server asks for, and a random time: the next backoff, or up to half less.
  #backoff(error: InboxError | undefined): number {
    const backoffMs = this.#backoffMs;
    this.#backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS);
    return (error?.retryDelayMs ?? 0) + backoffMs * (0.5 + Math.random() / 2);
  }
}

function isTransient({ code, reason }: InboxError): boolean {
  switch (code) {
    case Code.UNAVAILABLE:
    case Code.RESOURCE_EXHAUSTED:
    // Of the server: the watch did not begin within the time that it has for a call.
    case Code.DEADLINE_EXCEEDED:
      return true;
    case Code.INTERNAL:
    case Code.UNKNOWN:
    case Code.CANCELLED:
      // Of the library: the connection has broken.
      return reason === undefined;
    default:
      return false;
  }
}
