// What a watch has told its reader so far.
import { create } from "@bufbuild/protobuf";
import {
  InboxRemovedSchema,
  KnownInboxSchema,
  WatchInboxesResponseSchema,
  type KnownInbox,
  type WatchInboxesResponse,
} from "./gen/leadchat/inbox/v1/inbox_service_pb.js";

// The largest number of inboxes that a request may name.
const MAX_KNOWN = 5000;

/** The inboxes that the reader of a watch holds, by their etags. */
export class Holding {
  readonly #etags: Map<bigint, string>;
  // Of a call that names none of them: those that it has not sent again so far.
  #missing = new Set<bigint>();
  #omitsKnown = false;

  constructor(known: readonly KnownInbox[]) {
    this.#etags = new Map(known.map(({ inboxId, etag }) => [inboxId, etag]));
  }

  /** To be called if a request was too large: from now on, `known` is empty. */
  omitKnown(): void {
    this.#omitsKnown = true;
  }

  /** `known` of the next call. */
  known(): KnownInbox[] {
    const omitsKnown = this.#omitsKnown || this.#etags.size > MAX_KNOWN;
    this.#missing = new Set(omitsKnown ? this.#etags.keys() : []);
    if (omitsKnown) return [];
    return [...this.#etags].map(([inboxId, etag]) => create(KnownInboxSchema, { inboxId, etag }));
  }

  /** The events that the reader gets for one that was received. */
  *receive(response: WatchInboxesResponse): Generator<WatchInboxesResponse, void, undefined> {
    const { event } = response;
    switch (event.case) {
      case "upserted": {
        const { id, etag } = event.value;
        this.#missing.delete(id);
        if (this.#etags.get(id) === etag) return;
        this.#etags.set(id, etag);
        break;
      }
      case "removed":
        this.#forget(event.value.inboxId);
        break;
      case "synced":
        for (const inboxId of this.#missing) {
          this.#forget(inboxId);
          yield removed(inboxId, response);
        }
        break;
    }
    yield response;
  }

  #forget(inboxId: bigint): void {
    this.#missing.delete(inboxId);
    this.#etags.delete(inboxId);
  }
}

function removed(inboxId: bigint, synced: WatchInboxesResponse): WatchInboxesResponse {
  const { disclosedAs, callerWithheld } = synced;
  const value = create(InboxRemovedSchema, { inboxId });
  const event = { case: "removed", value } as const;
  return create(WatchInboxesResponseSchema, { event, disclosedAs, callerWithheld });
}
