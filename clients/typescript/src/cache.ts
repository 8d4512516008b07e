// A cache of the inboxes that a viewer sees, kept by a watch.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { status as Code } from "@grpc/grpc-js";
import type { InboxClient, WatchOptions } from "./client.js";
import { InboxError } from "./error.js";
import type { Inbox } from "./gen/leadchat/inbox/v1/inbox_pb.js";
import {
  WatchInboxesRequestSchema,
  type WatchInboxesResponse,
} from "./gen/leadchat/inbox/v1/inbox_service_pb.js";
import type { Watch } from "./watch.js";

/**
 * A cache was read before its watch was synced for the first time. `cause` is the error of its last
 * call, if that has failed.
 */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";

  constructor(cause?: InboxError) {
    const text = "the cache is not ready: its watch has not been synced yet";
    super(text, cause === undefined ? undefined : { cause });
  }
}

interface Entry {
  readonly inbox: Inbox;
  // The name in lower case. Bytes of UTF-8 compare as code points do.
  readonly name: Uint8Array;
}

/**
 * The inboxes that a viewer sees, kept by a watch in the background. The process runs until it is
 * closed.
 *
 * During an outage it keeps what it holds, and `ageMs` grows. When its watch ends, it forgets
 * everything, and each read throws the error: so after PERMISSION_DENIED, or UNAUTHENTICATED if
 * the credentials were not renewed. Its inboxes are shared: do not change them.
 */
export class InboxCache {
  readonly #watch: Watch;
  readonly #entries = new Map<bigint, Entry>();
  readonly #waiting = new Set<() => void>();
  #list: readonly Inbox[] | undefined;
  #isReady = false;
  #readTime: Timestamp | undefined;
  #error: InboxError | undefined;

  /** Begins to watch. `known` of the request is left out. `close` leaves the client open. */
  constructor(
    client: InboxClient,
    request: MessageInitShape<typeof WatchInboxesRequestSchema>,
    options?: WatchOptions,
  ) {
    const { accountId, viewer, detail } = create(WatchInboxesRequestSchema, request);
    this.#watch = client.watch({ accountId, detail, ...(viewer && { viewer }) }, options);
    void this.#run();
  }

  /** The inbox, or undefined if the viewer sees no such inbox. */
  get(id: bigint): Inbox | undefined {
    this.#assertReady();
    return this.#entries.get(id)?.inbox;
  }

  /** All inboxes in the order of ListInboxes: by name in lower case, then by id. */
  list(): readonly Inbox[] {
    this.#assertReady();
    this.#list ??= [...this.#entries.values()].sort(compare).map(({ inbox }) => inbox);
    return this.#list;
  }

  /**
   * Waits until the cache can be read. Throws NotReadyError after `timeoutMs`, and the error of
   * the watch if that has ended.
   */
  async waitSynced(timeoutMs: number): Promise<void> {
    if (!this.#isReady && this.#error === undefined) {
      await new Promise<void>((done) => {
        const end = () => {
          clearTimeout(timer);
          this.#waiting.delete(end);
          done();
        };
        const timer = setTimeout(end, timeoutMs);
        this.#waiting.add(end);
      });
    }
    this.#assertReady();
  }

  /**
   * The time of the last `synced` or heartbeat, by the clock of the service. Undefined before.
   * Throws what a read throws after the end.
   */
  get readTime(): Timestamp | undefined {
    if (this.#error !== undefined) throw this.#error;
    return this.#readTime;
  }

  /**
   * The milliseconds since `readTime`, by the clock of this machine. Undefined before the first
   * `synced`. While the watch works, they are below about 15 s and the time between two reads of
   * the account by the service. Throws what a read throws after the end.
   */
  get ageMs(): number | undefined {
    return this.readTime && Date.now() - timestampMs(this.readTime);
  }

  /** The error that each read throws because the watch has ended: CANCELLED after `close`. */
  get error(): InboxError | undefined {
    return this.#error;
  }

  /** Ends the watch, and forgets everything. */
  close(): void {
    this.#end(InboxError.fromStatus(Code.CANCELLED, "the cache is closed"));
    this.#watch.close();
  }

  async #run(): Promise<void> {
    try {
      for await (const response of this.#watch) {
        // An event may have been on its way when the cache was closed.
        if (this.#error !== undefined) break;
        this.#apply(response);
      }
    } catch (error) {
      this.#end(toInboxError(error));
    }
  }

  #apply({ event }: WatchInboxesResponse): void {
    switch (event.case) {
      case "upserted": {
        const inbox = event.value;
        this.#entries.set(inbox.id, { inbox, name: Buffer.from(inbox.name.toLowerCase()) });
        this.#list = undefined;
        break;
      }
      case "removed":
        this.#entries.delete(event.value.inboxId);
        this.#list = undefined;
        break;
      case "synced":
        this.#readTime = event.value.readTime;
        this.#isReady = true;
        this.#wake();
        break;
      case "heartbeat":
        this.#readTime = event.value.readTime;
        break;
    }
  }

  #end(error: InboxError): void {
    this.#error ??= error;
    this.#entries.clear();
    this.#list = undefined;
    this.#wake();
  }

  #wake(): void {
    for (const end of this.#waiting) end();
  }

  #assertReady(): void {
    if (this.#error !== undefined) throw this.#error;
    if (!this.#isReady) throw new NotReadyError(this.#watch.failure);
  }
}

function toInboxError(error: unknown): InboxError {
  if (error instanceof InboxError) return error;
  return InboxError.fromStatus(Code.UNKNOWN, "the watch failed", undefined, undefined, error);
}

function compare(a: Entry, b: Entry): number {
  const names = Buffer.compare(a.name, b.name);
  return names !== 0 ? names : a.inbox.id < b.inbox.id ? -1 : 1;
}
