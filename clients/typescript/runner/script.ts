// A server whose watches end as a script says.
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { DurationSchema, durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import {
  Code,
  InboxService,
  WatchInboxesRequestSchema,
  WatchInboxesResponseSchema,
  type WatchInboxesRequest,
  type WatchInboxesResponse,
} from "@leadchat/inbox-client";
import { DOMAIN, detail, field } from "./idioms-errors.js";

type Event = NonNullable<MessageInitShape<typeof WatchInboxesResponseSchema>["event"]>;

/** A call of the script: its events, and the error at its end. */
export interface Step {
  readonly events?: readonly Event[];
  readonly error?: { readonly code: Code; readonly details: string; readonly metadata: Metadata };
}

export const synced: Event = { case: "synced", value: {} };

export function upserted(id: bigint, etag: string): Event {
  return { case: "upserted", value: { id, etag } };
}

/** An error of the service. The credential is that of CREDENTIALS_EXPIRED. */
export function failed(code: Code, reason: string, retryDelayMs = 0, credential = "authorization") {
  const delay = toBinary(DurationSchema, durationFromMs(retryDelayMs));
  const entry = field(3, field(1, "credential"), field(2, credential));
  const status = [
    detail("ErrorInfo", field(1, reason), field(2, DOMAIN), entry),
    detail("RetryInfo", field(1, delay)),
  ];
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.concat(status));
  return { code, details: "as the script says", metadata };
}

const { name } = InboxService.method.watchInboxes;
const SERVICE: ServiceDefinition = {
  [name]: {
    path: `/${InboxService.typeName}/${name}`,
    requestStream: false,
    responseStream: true,
    requestSerialize: (it) => Buffer.from(toBinary(WatchInboxesRequestSchema, it)),
    requestDeserialize: (bytes) => fromBinary(WatchInboxesRequestSchema, bytes),
    responseSerialize: (it) => Buffer.from(toBinary(WatchInboxesResponseSchema, it)),
    responseDeserialize: (bytes) => fromBinary(WatchInboxesResponseSchema, bytes),
  },
};

export class Script {
  readonly #server = new Server();
  /** The number of inboxes that each call has named. */
  readonly known: number[] = [];
  /** The time of each call, in milliseconds. */
  readonly times: number[] = [];

  constructor(...steps: Step[]) {
    type Call = ServerWritableStream<WatchInboxesRequest, WatchInboxesResponse>;
    const answer = (call: Call) => {
      this.known.push(call.request.known.length);
      this.times.push(performance.now());
      const { events = [], error } = steps.shift() ?? {};
      for (const event of events) call.write(create(WatchInboxesResponseSchema, { event }));
      if (error === undefined) call.end();
      else call.emit("error", error);
    };
    this.#server.addService(SERVICE, { [name]: answer });
  }

  /** Listens on a free port, and returns the address. */
  async listen(): Promise<string> {
    const credentials = ServerCredentials.createInsecure();
    const port = await new Promise<number>((done, fail) =>
      this.#server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
        error === null ? done(bound) : fail(error),
      ),
    );
    return `127.0.0.1:${port}`;
  }

  close(): void {
    this.#server.forceShutdown();
  }
}
