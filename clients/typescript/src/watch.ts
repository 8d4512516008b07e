// A watch: the events of WatchInboxes, over as many calls as it takes.
import { clone, create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { status as Code } from "@grpc/grpc-js";
import { InboxError } from "./error.js";
import {
  WatchInboxesRequestSchema,
  type WatchInboxesRequest,
  type WatchInboxesResponse,
} from "./gen/leadchat/inbox/v1/inbox_service_pb.js";
import { Holding } from "./holding.js";
import { Resumption } from "./resumption.js";

// Three heartbeats: a call without any event for so long is broken.
const SILENCE_MS = 45_000;

/** Makes one call. Throws what ends the watch: the client is closed. */
type Open = (
  request: WatchInboxesRequest,
  signal: AbortSignal,
) => AsyncGenerator<WatchInboxesResponse, void, undefined>;

/**
 * The events of a watch, for one `for await`. It begins with the first event that is asked for.
 *
 * It goes on by itself with the differences to the events so far. `clients/README.md` has the rule,
 * in the section Watches. An error that ends the watch rejects with InboxError.
 */
export class Watch implements AsyncIterableIterator<WatchInboxesResponse> {
  readonly #events: AsyncGenerator<WatchInboxesResponse, void, undefined>;
  readonly #ending = new AbortController();
  #failure: InboxError | undefined;

  /** @internal `openStreams` has what the end of the client aborts. */
  constructor(
    request: MessageInitShape<typeof WatchInboxesRequestSchema>,
    open: Open,
    openStreams: Set<AbortController>,
    signal: AbortSignal | undefined,
  ) {
    const message = clone(WatchInboxesRequestSchema, toRequest(request));
    this.#events = this.#run(message, open, openStreams, signal);
  }

  /** The next event. `done` after `close`. */
  next(): Promise<IteratorResult<WatchInboxesResponse, void>> {
    return this.#events.next();
  }

  /** Ends the watch, as `break` in a loop does. */
  return(): Promise<IteratorResult<WatchInboxesResponse, void>> {
    this.close();
    return this.#events.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The error of the last call, until the next `synced`. */
  get failure(): InboxError | undefined {
    return this.#failure;
  }

  /** Ends the watch: its call, and a loop that waits for the next event. */
  close(): void {
    this.#ending.abort();
  }

  async *#run(
    request: WatchInboxesRequest,
    open: Open,
    openStreams: Set<AbortController>,
    outer: AbortSignal | undefined,
  ): AsyncGenerator<WatchInboxesResponse, void, undefined> {
    const { signal } = this.#ending;
    const cancel = () => this.#ending.abort(cancelled(outer));
    outer?.addEventListener("abort", cancel, { once: true });
    if (outer?.aborted) cancel();
    openStreams.add(this.#ending);
    const holding = new Holding(request.known);
    const resumption = new Resumption();
    try {
      while (!signal.aborted) {
        resumption.assertRenewed();
        request.known = holding.known();
        const error = yield* this.#attempt(request, open, holding, resumption);
        if (signal.aborted) break;
        this.#failure = error;
        if (error?.reason === "REQUEST_TOO_LARGE") holding.omitKnown();
        const delayMs = resumption.delayMs(error, request.known.length > 0);
        if (delayMs === undefined) throw error;
        await sleep(Math.min(delayMs, resumption.leftMs), signal);
      }
      if (signal.reason instanceof InboxError) throw signal.reason;
    } finally {
      outer?.removeEventListener("abort", cancel);
      openStreams.delete(this.#ending);
    }
  }

  // One call. Returns its error, and none if it has ended without, or was silent.
  async *#attempt(
    request: WatchInboxesRequest,
    open: Open,
    holding: Holding,
    resumption: Resumption,
  ): AsyncGenerator<WatchInboxesResponse, InboxError | undefined, undefined> {
    const call = new AbortController();
    const events = open(request, call.signal);
    const end = () => call.abort();
    this.#ending.signal.addEventListener("abort", end, { once: true });
    try {
      for (;;) {
        const timer = setTimeout(end, Math.min(SILENCE_MS, resumption.leftMs));
        const { value, done } = await events.next().finally(() => clearTimeout(timer));
        if (done) return undefined;
        if (value.event.case === "synced") {
          this.#failure = undefined;
          resumption.reset();
        }
        for (const event of holding.receive(value)) {
          yield event;
          if (call.signal.aborted) return undefined;
        }
      }
    } catch (error) {
      if (call.signal.aborted) return undefined;
      if (error instanceof InboxError) return error;
      throw error;
    } finally {
      this.#ending.signal.removeEventListener("abort", end);
      call.abort();
      await events.return();
    }
  }
}

// The library would report a field out of bounds as an error that may pass.
function toRequest(
  request: MessageInitShape<typeof WatchInboxesRequestSchema>,
): WatchInboxesRequest {
  const message = create(WatchInboxesRequestSchema, request);
  try {
    toBinary(WatchInboxesRequestSchema, message);
  } catch (cause) {
    const text = "the request is malformed";
    throw InboxError.fromStatus(Code.INVALID_ARGUMENT, text, undefined, undefined, cause);
  }
  return message;
}

function cancelled(signal: AbortSignal | undefined): InboxError {
  const text = "the watch was cancelled";
  return InboxError.fromStatus(Code.CANCELLED, text, undefined, undefined, signal?.reason);
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
