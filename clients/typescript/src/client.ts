// The client: one method for each RPC, and iterators over all pages of a list.
import {
  clone,
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  CallCredentials,
  Client,
  Metadata,
  status as Code,
  type CallOptions as GrpcCallOptions,
  type ChannelOptions,
  type ServiceError,
} from "@grpc/grpc-js";
import { channelCredentials, channelOptions, channelTarget, type TlsOptions } from "./channel.js";
import { InboxError } from "./error.js";
import type { Inbox } from "./gen/leadchat/inbox/v1/inbox_pb.js";
import * as api from "./gen/leadchat/inbox/v1/inbox_service_pb.js";
import { Watch } from "./watch.js";

const DEFAULT_TIMEOUT_MS = 5000;

/**
 * A token without `Bearer`, or its supplier, which is asked for each attempt of a call. White space
 * around a token is left out.
 */
export type Token = string | (() => string | Promise<string>);

export interface InboxClientOptions {
  /** TLS. Without it, the connection is plaintext, for loopback and Unix sockets only. */
  readonly tls?: TlsOptions | undefined;
  /** The token of the caller, for the header `authorization`. */
  readonly token?: Token | undefined;
  /** The default deadline of a call. By default 5000. */
  readonly timeoutMs?: number | undefined;
  /** The largest response. By default the 4 MiB of the library. */
  readonly maxResponseBytes?: number | undefined;
  /** Further options of the channel of grpc-js. They replace those of this client. */
  readonly channelOptions?: ChannelOptions | undefined;
}

export interface CallOptions {
  /** The deadline, from now; for an iterator that of each page. `Infinity` is none. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** The token of the viewer, for the header `viewer-authorization`. */
  readonly viewerToken?: Token | undefined;
  /** Headers of the request, such as `x-request-id`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Gets the headers of a response. */
  readonly onMetadata?: ((metadata: Metadata) => void) | undefined;
}

/** The options of a watch, which has no deadline. */
export type WatchOptions = Omit<CallOptions, "timeoutMs">;

/** A client of leadchat-inbox. It keeps its connections until it is closed. */
export class InboxClient {
  readonly #grpc: Client;
  readonly #token: Token | undefined;
  readonly #timeoutMs: number;
  // Those of streams and watches that are open. Each is aborted with an error.
  readonly #streams = new Set<AbortController>();
  #closed = false;

  /** `address` is `host:port`, `unix:/path`, or a list of `host:port`, one for each replica. */
  constructor(address: string | readonly string[], options: InboxClientOptions = {}) {
    const target = channelTarget(address, options.tls);
    this.#token = options.token;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#grpc = new Client(target, channelCredentials(options.tls), {
      ...channelOptions(options.maxResponseBytes, options.tls?.serverName),
      ...options.channelOptions,
    });
  }

  /** The client of grpc-js, for calls that this class does not have. */
  get grpc(): Client {
    return this.#grpc;
  }

  /**
   * Ends watches and other streams with CANCELLED, and the connections after the calls in flight.
   * No call begins afterwards.
   */
  close(): void {
    this.#closed = true;
    for (const stream of this.#streams) stream.abort(closed());
    this.#grpc.close();
  }

  /** GetInbox: one inbox. */
  get(request: MessageInitShape<typeof api.GetInboxRequestSchema>, options?: CallOptions) {
    return this.call(api.InboxService.method.getInbox, request, options);
  }

  /** ListInboxes: one page. */
  list(request: MessageInitShape<typeof api.ListInboxesRequestSchema>, options?: CallOptions) {
    return this.call(api.InboxService.method.listInboxes, request, options);
  }

  /** ListInboxes to the end. A page is requested when its first inbox is needed. */
  async *inboxes(
    request: MessageInitShape<typeof api.ListInboxesRequestSchema>,
    options?: CallOptions,
  ): AsyncGenerator<Inbox, void, undefined> {
    for await (const page of this.pages(request, options)) yield* page.inboxes;
  }

  /** ListInboxes to the end, page by page. A page is requested when it is needed. */
  async *pages(
    request: MessageInitShape<typeof api.ListInboxesRequestSchema>,
    options?: CallOptions,
  ): AsyncGenerator<api.ListInboxesResponse, void, undefined> {
    const schema = api.ListInboxesRequestSchema;
    const next = clone(schema, create(schema, request));
    do {
      const page = await this.list(next, options);
      yield page;
      next.pageToken = page.nextPageToken;
    } while (next.pageToken !== "");
  }

  /** BatchGetInboxes: up to 100 inboxes of an account. */
  batch(request: MessageInitShape<typeof api.BatchGetInboxesRequestSchema>, options?: CallOptions) {
    return this.call(api.InboxService.method.batchGetInboxes, request, options);
  }

  /** FindInboxes: the inboxes that own an external address. */
  find(request: MessageInitShape<typeof api.FindInboxesRequestSchema>, options?: CallOptions) {
    return this.call(api.InboxService.method.findInboxes, request, options);
  }

  /** ExplainAccess: what this caller may ask, and what the viewer would get. */
  explain(request: MessageInitShape<typeof api.ExplainAccessRequestSchema>, options?: CallOptions) {
    return this.call(api.InboxService.method.explainAccess, request, options);
  }

  /**
   * WatchInboxes: the inboxes that the viewer sees, and then every change. `known` of the request
   * is what the caller holds already.
   */
  watch(
    request: MessageInitShape<typeof api.WatchInboxesRequestSchema>,
    options: WatchOptions = {},
  ): Watch {
    const open = (next: api.WatchInboxesRequest, signal: AbortSignal) => {
      this.#assertOpen(signal);
      return this.stream(api.InboxService.method.watchInboxes, next, { ...options, signal });
    };
    return new Watch(request, open, this.#streams, options.signal);
  }

  /** Calls any unary method of a generated service. A failed call rejects with InboxError. */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const { signal, timeoutMs = this.#timeoutMs } = options;
    this.#assertOpen(signal);
    const failure: Failure = {};
    const message = create(method.input, request);
    const metadata = toMetadata(options.metadata);
    let headers: Metadata | undefined;
    const [error, response] = await new Promise<Outcome<MessageShape<O>>>((done) => {
      const call = this.#grpc.makeUnaryRequest(
        path(method),
        (value: MessageShape<I>) => Buffer.from(toBinary(method.input, value)),
        (bytes) => fromBinary(method.output, bytes),
        message,
        metadata,
        this.#settings(timeoutMs, options.viewerToken, failure),
        (failed, value) => {
          signal?.removeEventListener("abort", cancel);
          done([failed, value]);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      call.on("metadata", (received: Metadata) => (headers = received));
    });
    if (headers !== undefined) options.onMetadata?.(headers);
    if (response !== undefined) return response;
    if (signal?.aborted && error?.code === Code.CANCELLED) throw aborted(signal);
    throw toInboxError(error, headers, failure.cause);
  }

  /**
   * Calls any generated method whose response is a stream, once. The call begins with the first
   * message that is asked for. It has no default deadline. It ends in an InboxError if it fails.
   */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const { signal, timeoutMs = Infinity, onMetadata } = options;
    this.#assertOpen(signal);
    const failure: Failure = {};
    const call = this.#grpc.makeServerStreamRequest(
      path(method),
      (value: MessageShape<I>) => Buffer.from(toBinary(method.input, value)),
      (bytes) => fromBinary(method.output, bytes),
      create(method.input, request),
      toMetadata(options.metadata),
      this.#settings(timeoutMs, options.viewerToken, failure),
    );
    let headers: Metadata | undefined;
    call.on("metadata", (received: Metadata) => (headers = received));
    // The iterator of the call throws its error. Without this, a later one would end the process.
    call.on("error", () => undefined);
    const ending = new AbortController();
    const abort = () => ending.abort(aborted(signal));
    signal?.addEventListener("abort", abort, { once: true });
    ending.signal.addEventListener("abort", () => call.cancel(), { once: true });
    this.#streams.add(ending);
    try {
      let isFirst = true;
      for await (const message of call as AsyncIterable<MessageShape<O>>) {
        if (isFirst && headers !== undefined) onMetadata?.(headers);
        isFirst = false;
        yield message;
      }
    } catch (error) {
      if (ending.signal.aborted) throw ending.signal.reason;
      throw toInboxError(error as ServiceError, headers, failure.cause);
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#streams.delete(ending);
      call.cancel();
    }
  }

  #assertOpen(signal: AbortSignal | undefined): void {
    if (this.#closed) throw closed();
    if (signal?.aborted) throw aborted(signal);
  }

  // The deadline and the tokens of a call. `failure` gets the error of a supplier of tokens.
  #settings(timeoutMs: number, viewerToken: Token | undefined, failure: Failure): GrpcCallOptions {
    const tokens = { authorization: this.#token, "viewer-authorization": viewerToken };
    return {
      deadline: Date.now() + timeoutMs,
      credentials: CallCredentials.createFromMetadataGenerator((_, callback) => {
        tokenMetadata(tokens).then(
          (generated) => callback(null, generated),
          (cause: unknown) => {
            failure.cause = cause;
            callback(Object.assign(new Error(TOKEN_FAILED), { code: Code.UNAUTHENTICATED }));
          },
        );
      }),
    };
  }
}

interface Failure {
  cause?: unknown;
}

type Outcome<T> = [error: ServiceError | null, response: T | undefined];

const TOKEN_FAILED = "there is no usable token";

// The error of grpc-js would quote the value.
function toMetadata(headers: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    try {
      metadata.set(name, value);
    } catch {
      throw InboxError.fromStatus(Code.INVALID_ARGUMENT, `the header ${name} is malformed`);
    }
  }
  return metadata;
}

// An error of a supplier becomes the cause of the InboxError.
async function tokenMetadata(tokens: Record<string, Token | undefined>): Promise<Metadata> {
  const metadata = new Metadata();
  for (const [name, token] of Object.entries(tokens)) {
    if (token === undefined) continue;
    const text = (typeof token === "string" ? token : await token()).trim();
    if (!/^[\x21-\x7e]+$/.test(text)) throw new TypeError(`the token for ${name} is malformed`);
    metadata.set(name, `Bearer ${text}`);
  }
  return metadata;
}

function path({ parent, name }: { parent: { typeName: string }; name: string }): string {
  return `/${parent.typeName}/${name}`;
}

function closed(): InboxError {
  return InboxError.fromStatus(Code.CANCELLED, "the client is closed");
}

function aborted(signal: AbortSignal | undefined): InboxError {
  return InboxError.fromStatus(
    Code.CANCELLED,
    "the call was cancelled",
    undefined,
    undefined,
    signal?.reason,
  );
}

function toInboxError(
  error: ServiceError | null,
  headers: Metadata | undefined,
  cause: unknown,
): InboxError {
  if (error === null) return InboxError.fromStatus(Code.INTERNAL, "the response is missing");
  const details = error.metadata.get("grpc-status-details-bin")[0];
  const id = error.metadata.get("x-request-id")[0] ?? headers?.get("x-request-id")[0];
  return InboxError.fromStatus(
    error.code,
    error.details,
    typeof details === "string" ? undefined : details,
    id?.toString(),
    cause,
  );
}
