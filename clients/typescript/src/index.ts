// The public names: the client, its errors, and all generated messages, enums and schemas.
export { status as Code } from "@grpc/grpc-js";
export { InboxCache, NotReadyError } from "./cache.js";
export type { TlsOptions } from "./channel.js";
export {
  InboxClient,
  type CallOptions,
  type InboxClientOptions,
  type Token,
  type WatchOptions,
} from "./client.js";
export {
  InboxError,
  type FieldViolation,
  type KnownReason,
  type OtherReason,
  type Reason,
} from "./error.js";
export * from "./gen/leadchat/inbox/v1/channel_pb.js";
export * from "./gen/leadchat/inbox/v1/inbox_pb.js";
export * from "./gen/leadchat/inbox/v1/inbox_service_pb.js";
export * from "./gen/leadchat/inbox/v1/visibility_pb.js";
export type { Watch } from "./watch.js";
