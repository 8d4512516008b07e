// Checks of errors.
import assert from "node:assert/strict";
import { Code, InboxClient, InboxError, type Reason } from "@leadchat/inbox-client";
import type { Check } from "./idioms.js";
import { Proxy } from "./proxy.js";

/** The domain of the service in an ErrorInfo. */
export const DOMAIN = "inbox.leadchat";

export const missingInbox = {
  accountId: 1n,
  inboxId: 99n,
  viewer: { principal: { case: "userId", value: 1n } },
} as const;

/** The InboxError that a call ends in. */
export async function failure(call: Promise<unknown>): Promise<InboxError> {
  const error: unknown = await call.then(
    () => new Error("the call did not fail"),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof InboxError, `no InboxError: ${String(error)}`);
  return error;
}

// The compiler knows all reasons: a mistake in a case would not compile.
function advice(reason: Reason | undefined): string {
  if (typeof reason === "object") return `unknown to this client: ${reason.other}`;
  switch (reason) {
    case "INBOX_NOT_FOUND":
      return "forget it";
    case "OVERLOADED":
    case "STORE_UNAVAILABLE":
      return "later";
    default:
      return "report it";
  }
}

/** A field of a message: a string, or a message of the given fields. */
export function field(number: number, ...values: (string | Uint8Array)[]): Uint8Array {
  const bytes = Buffer.concat(values.map((value) => Buffer.from(value)));
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

/** A detail of a google.rpc.Status. */
export function detail(type: string, ...fields: Uint8Array[]): Uint8Array {
  return field(3, field(1, `type.googleapis.com/google.rpc.${type}`), field(2, ...fields));
}

function info(domain: string, reason: string, key = "key"): Uint8Array {
  const metadata = field(3, field(1, key), field(2, "is there"));
  return detail("ErrorInfo", field(1, reason), field(2, domain), metadata);
}

const undecodable = detail("BadRequest", Buffer.from([255]));

// A google.rpc.Status with a BadRequest that cannot be decoded, and an ErrorInfo.
function status(domain: string, reason: string): Uint8Array {
  return Buffer.concat([undecodable, info(domain, reason)]);
}

export const errorChecks: Record<string, Check> = {
  "error/is-an-error-with-all-parts": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const error = await failure(client.get(missingInbox));
    assert.ok(error instanceof Error);
    assert.equal(error.name, "InboxError");
    assert.equal(error.code, Code.NOT_FOUND);
    assert.equal(error.reason, "INBOX_NOT_FOUND");
    assert.equal(advice(error.reason), "forget it");
    assert.match(error.requestId ?? "", /./);
    assert.match(error.description, /no such inbox/);
    const { description, requestId } = error;
    const line = `NOT_FOUND INBOX_NOT_FOUND: ${description} (request id ${requestId})`;
    assert.equal(error.message, line);
    assert.equal(String(error), `InboxError: ${line}`);
    assert.deepEqual([error.fields, error.retryDelayMs, error.cause], [[], undefined, undefined]);
  },

  "error/other-reason": () => {
    const error = InboxError.fromStatus(9, "not yet", status(DOMAIN, "FROM_THE_FUTURE"));
    assert.deepEqual(error.reason, { other: "FROM_THE_FUTURE" });
    assert.equal(error.reasonText, "FROM_THE_FUTURE");
    assert.equal(advice(error.reason), "unknown to this client: FROM_THE_FUTURE");
    for (const text of ["UNSPECIFIED", "toString", "1", "__proto__"]) {
      const reason = InboxError.fromStatus(9, "", status(DOMAIN, text)).reason;
      assert.deepEqual(reason, { other: text });
    }
  },

  // A proxy may add details before those of the service, and after them.
  "error/first-details": () => {
    const violation = (name: string) => detail("BadRequest", field(1, field(1, name)));
    const delay = (seconds: number) => detail("RetryInfo", field(1, Buffer.from([8, seconds])));
    const several = InboxError.fromStatus(
      Code.UNAVAILABLE,
      "later",
      Buffer.concat([
        ...[info("proxy.example", "QUOTA", "proxy"), violation("viewer"), undecodable, delay(1)],
        ...[info(DOMAIN, "OVERLOADED", "first"), info(DOMAIN, "INTERNAL")],
        ...[violation("detail"), delay(2)],
      ]),
    );
    assert.equal(several.reason, "OVERLOADED");
    assert.deepEqual(several.metadata, { first: "is there" });
    assert.deepEqual(several.fields.map((each) => each.field), ["viewer", "detail"]);
    assert.equal(several.retryDelayMs, 1000);
    const empty = [info(DOMAIN, ""), info(DOMAIN, "INTERNAL")];
    const none = InboxError.fromStatus(Code.UNAVAILABLE, "later", Buffer.concat(empty));
    assert.deepEqual([none.reason, none.message], [undefined, "UNAVAILABLE: later"]);
  },

  "error/no-reason": () => {
    const foreign = status("proxy.example", "INBOX_NOT_FOUND");
    for (const details of [undefined, Buffer.from("not a status"), foreign]) {
      const { reason, reasonText } = InboxError.fromStatus(14, "refused", details);
      assert.deepEqual([reason, reasonText], [undefined, ""]);
    }
    assert.equal(InboxError.fromStatus(99, "odd").code, Code.UNKNOWN);
  },

  "error/of-the-library": async (_, keep) => {
    const proxy = keep(new Proxy());
    proxy.refusing = true;
    const port = await proxy.listen();
    const channelOptions = { "grpc.enable_retries": 0 };
    const client = keep(new InboxClient(`127.0.0.1:${port}`, { channelOptions }));
    const error = await failure(client.get(missingInbox));
    assert.deepEqual([error.code, error.reason], [Code.UNAVAILABLE, undefined]);
  },

  "error/malformed-request": async (servers, keep) => {
    const client = keep(new InboxClient(servers.plain.address));
    const viewer = missingInbox.viewer;
    const pageSize = 2 ** 40;
    const error = await failure(client.list({ accountId: 1n, viewer, pageSize }));
    assert.deepEqual([error.code, error.reason], [Code.INTERNAL, undefined]);
  },
};
