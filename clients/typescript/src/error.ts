// The error of a failed call, and its mapping from code, message and google.rpc.Status.
import { fromBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import { status as Code } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
  StatusSchema,
} from "./gen/google/rpc/status_pb.js";
import { ErrorReason } from "./gen/leadchat/inbox/v1/inbox_service_pb.js";

const DOMAIN = "inbox.leadchat";

/** A reason that this client knows: a value of ErrorReason, without the prefix. */
export type KnownReason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** A reason of a later server, which this client does not know. */
export interface OtherReason {
  readonly other: string;
}

/** The reason of a failed call. `typeof reason === "object"` tells the two forms apart. */
export type Reason = KnownReason | OtherReason;

/** A field of the request that is missing or out of bounds. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

interface Details {
  reason: Reason | undefined;
  metadata: Record<string, string>;
  fields: FieldViolation[];
  retryDelayMs: number | undefined;
}

/** The error of a failed call. `message` has code, reason, description and request id. */
export class InboxError extends Error {
  override readonly name = "InboxError";
  /** The gRPC code. `Code[error.code]` is its name. */
  readonly code: Code;
  /** The message of the server, or of the library. */
  readonly description: string;
  /** Undefined if the error comes from the library or a proxy. */
  readonly reason: Reason | undefined;
  /** The metadata of the reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields that violate the contract. */
  readonly fields: readonly FieldViolation[];
  /** The delay before the next attempt. */
  readonly retryDelayMs: number | undefined;
  /** The id of the call in the log of the server. */
  readonly requestId: string | undefined;

  private constructor(
    code: Code,
    description: string,
    details: Details,
    requestId: string | undefined,
    cause: unknown,
  ) {
    const reason = reasonText(details.reason);
    const id = requestId === undefined ? "" : ` (request id ${requestId})`;
    const message = `${Code[code]}${reason && ` ${reason}`}: ${description}${id}`;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.description = description;
    this.reason = details.reason;
    this.metadata = details.metadata;
    this.fields = details.fields;
    this.retryDelayMs = details.retryDelayMs;
    this.requestId = requestId;
  }

  /**
   * Makes the error of a call. `details` are the bytes of the google.rpc.Status in the trailer
   * `grpc-status-details-bin`. Bytes that cannot be decoded count as absent.
   */
  static fromStatus(
    code: number,
    description: string,
    details?: Uint8Array,
    requestId?: string,
    cause?: unknown,
  ): InboxError {
    const known = code in Code ? (code as Code) : Code.UNKNOWN;
    return new InboxError(known, description, decodeDetails(details), requestId, cause);
  }

  /** The reason as a string, known or not. Empty if there is none. */
  get reasonText(): string {
    return reasonText(this.reason);
  }
}

function reasonText(reason: Reason | undefined): string {
  return typeof reason === "object" ? reason.other : (reason ?? "");
}

// The first ErrorInfo of the service, all invalid fields, and the first RetryInfo.
function decodeDetails(bytes: Uint8Array | undefined): Details {
  const status = attempt(() => bytes && fromBinary(StatusSchema, bytes));
  const all = <S extends DescMessage>(schema: S) =>
    (status?.details ?? []).flatMap((any) => unpack(any, schema) ?? []);
  const info = all(ErrorInfoSchema).find(({ domain }) => domain === DOMAIN);
  const delay = all(RetryInfoSchema)[0]?.retryDelay;
  return {
    reason: info?.reason ? toReason(info.reason) : undefined,
    metadata: info?.metadata ?? {},
    fields: all(BadRequestSchema).flatMap(({ fieldViolations }) =>
      fieldViolations.map(({ field, description }) => ({ field, description })),
    ),
    retryDelayMs: delay && Number(delay.seconds) * 1e3 + delay.nanos / 1e6,
  };
}

function toReason(text: string): Reason {
  const value: unknown = Reflect.get(ErrorReason, text);
  return typeof value === "number" && value !== ErrorReason.UNSPECIFIED
    ? (text as KnownReason)
    : { other: text };
}

function unpack<S extends DescMessage>(any: Any, schema: S): MessageShape<S> | undefined {
  return attempt(() => anyUnpack(any, schema));
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
