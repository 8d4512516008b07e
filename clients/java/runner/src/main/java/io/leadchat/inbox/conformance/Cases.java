// The mode cases: the cases of conformance.json, through the public API of the client.

package io.leadchat.inbox.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxException;
import io.leadchat.inbox.v1.BatchGetInboxesRequest;
import io.leadchat.inbox.v1.ExplainAccessRequest;
import io.leadchat.inbox.v1.FindInboxesRequest;
import io.leadchat.inbox.v1.GetInboxRequest;
import io.leadchat.inbox.v1.ListInboxesRequest;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import io.leadchat.inbox.v1.WatchInboxesResponse;
import java.io.IOException;
import java.time.Duration;
import java.util.Base64;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** Runs each case on each of its endpoints. */
final class Cases {
  // So that a watch without synced ends.
  private static final Duration WATCH_TIMEOUT = Duration.ofSeconds(20);

  private final Servers servers;
  private final Map<String, InboxClient> clients = new HashMap<>();

  Cases(Servers servers) {
    this.servers = servers;
  }

  void run(JsonObject file) {
    for (JsonElement element : file.getAsJsonArray("cases")) {
      JsonObject one = element.getAsJsonObject();
      if (one.has("message") || one.has("status")) {
        check(one, "-");
      } else if (one.has("caller")) {
        check(one, "tls");
      } else {
        check(one, "plain");
        check(one, "unix");
      }
    }
    clients.values().forEach(InboxClient::close);
  }

  private void check(JsonObject one, String endpoint) {
    String problem;
    try {
      problem = problem(one, endpoint);
    } catch (Exception e) {
      problem = "expected no such exception, got " + e;
    }
    Main.print(one.get("name").getAsString(), endpoint, problem);
  }

  private InboxClient client(JsonObject one, String endpoint) {
    String name = endpoint.equals("tls") ? one.get("caller").getAsString() : endpoint;
    InboxClient client = clients.get(name);
    if (client == null) {
      client = endpoint.equals("tls") ? servers.tls(name)
          : endpoint.equals("unix") ? servers.unix() : servers.plain();
      clients.put(name, client);
    }
    return client;
  }

  private String problem(JsonObject one, String endpoint) throws Exception {
    if (one.has("message")) {
      return decode(one);
    }
    if (one.has("status")) {
      JsonObject status = one.getAsJsonObject("status");
      return error(one, InboxException.of(
          Status.fromCodeValue(status.get("code").getAsInt()).getCode(),
          status.get("message").getAsString(),
          Base64.getDecoder().decode(status.get("details").getAsString())));
    }
    AtomicReference<Metadata> headers = new AtomicReference<>();
    InboxClient adapted = adapted(one, client(one, endpoint), headers);
    try {
      if (one.has("pages")) {
        JsonArray ids = new JsonArray();
        ListInboxesRequest request = parse(one, ListInboxesRequest.newBuilder()).build();
        adapted.inboxes(request).forEach(inbox -> ids.add(Long.toString(inbox.getId())));
        return one.has("error") ? "expected an error, got " + ids
            : compare(one.get("ids"), ids, "ids");
      }
      if (one.get("method").getAsString().equals("WatchInboxes")) {
        JsonArray events = events(one, adapted);
        return one.has("error") ? "expected an error, got " + events
            : compare(one.get("events"), events, "events");
      }
      Message response = call(one, adapted);
      if (one.has("error")) {
        return "expected an error, got a response";
      }
      String problem =
          one.has("response") ? compare(one.get("response"), json(response), "") : null;
      return problem == null ? responseMetadata(one, headers.get()) : problem;
    } catch (InboxException e) {
      return one.has("error") ? error(one, e) : "expected a response, got " + e.getMessage();
    }
  }

  private InboxClient adapted(
      JsonObject one, InboxClient client, AtomicReference<Metadata> headers) {
    Metadata metadata = new Metadata();
    if (one.has("request_metadata")) {
      one.getAsJsonObject("request_metadata").entrySet().forEach(entry ->
          metadata.put(key(entry.getKey()), entry.getValue().getAsString()));
    }
    InboxClient adapted = client.with(stub -> stub.withInterceptors(
        MetadataUtils.newAttachHeadersInterceptor(metadata),
        MetadataUtils.newCaptureMetadataInterceptor(headers, new AtomicReference<>())));
    if (one.has("viewer_token")) {
      adapted = adapted.withViewerToken(servers.viewerToken(one.get("viewer_token").getAsString()));
    }
    if (one.has("timeout_ms")) {
      adapted = adapted.withTimeout(Duration.ofMillis(one.get("timeout_ms").getAsLong()));
    }
    return adapted;
  }

  private static Message call(JsonObject one, InboxClient client) throws IOException {
    String method = one.get("method").getAsString();
    switch (method) {
      case "GetInbox":
        return client.get(parse(one, GetInboxRequest.newBuilder()).build());
      case "ListInboxes":
        return client.list(parse(one, ListInboxesRequest.newBuilder()).build());
      case "BatchGetInboxes":
        return client.batch(parse(one, BatchGetInboxesRequest.newBuilder()).build());
      case "FindInboxes":
        return client.find(parse(one, FindInboxesRequest.newBuilder()).build());
      case "ExplainAccess":
        return client.explain(parse(one, ExplainAccessRequest.newBuilder()).build());
      default:
        throw new IllegalArgumentException("there is no method " + method);
    }
  }

  // The events up to the first synced, from the generated stub.
  private static JsonArray events(JsonObject one, InboxClient client) throws Exception {
    WatchInboxesRequest request = parse(one, WatchInboxesRequest.newBuilder()).build();
    JsonArray events = new JsonArray();
    Context.CancellableContext context = Context.current().withCancellation();
    try {
      return context.call(() -> {
        Iterator<WatchInboxesResponse> stream = client.stub()
            .withDeadlineAfter(WATCH_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS)
            .watchInboxes(request);
        while (true) {
          WatchInboxesResponse event = stream.next();
          events.add(json(event));
          if (event.hasSynced()) {
            return events;
          }
        }
      });
    } catch (StatusRuntimeException e) {
      throw InboxException.of(e);
    } finally {
      context.cancel(null);
    }
  }

  // The class of a message has the name of the message, in the package of the contract.
  private static String decode(JsonObject one) throws Exception {
    String name =
        GetInboxRequest.class.getPackageName() + "." + one.get("message").getAsString();
    byte[] bytes = Base64.getDecoder().decode(one.get("bytes").getAsString());
    Message decoded =
        (Message) Class.forName(name).getMethod("parseFrom", byte[].class).invoke(null, bytes);
    return compare(one.get("response"), json(decoded), "");
  }

  private static String error(JsonObject one, InboxException error) {
    JsonObject got = new JsonObject();
    got.addProperty("code", error.code().name());
    got.addProperty("reason", error.reasonText());
    got.addProperty("known", error.reason().isKnown());
    JsonObject metadata = new JsonObject();
    error.metadata().forEach(metadata::addProperty);
    got.add("metadata", metadata);
    JsonArray fields = new JsonArray();
    error.fields().forEach(field -> fields.add(field.getField()));
    got.add("fields", fields);
    error.retryDelay().ifPresent(delay ->
        got.addProperty("retry_delay_seconds", delay.toNanos() / 1e9));
    got.addProperty("request_id", error.requestId().orElse(""));
    got.addProperty("message", error.description());
    for (Map.Entry<String, JsonElement> expected : one.getAsJsonObject("error").entrySet()) {
      String problem = compare(expected.getValue(), got.get(expected.getKey()), expected.getKey());
      if (problem != null) {
        return problem;
      }
    }
    return null;
  }

  private static String responseMetadata(JsonObject one, Metadata headers) {
    if (one.has("response_metadata")) {
      for (Map.Entry<String, JsonElement> expected :
          one.getAsJsonObject("response_metadata").entrySet()) {
        String got = headers.get(key(expected.getKey()));
        JsonElement value = got == null ? null : new JsonPrimitive(got);
        String problem = compare(expected.getValue(), value, expected.getKey());
        if (problem != null) {
          return problem;
        }
      }
    }
    return null;
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  private static <B extends Message.Builder> B parse(JsonObject one, B builder)
      throws InvalidProtocolBufferException {
    JsonFormat.parser().merge(one.get("request").toString(), builder);
    return builder;
  }

  private static JsonElement json(MessageOrBuilder message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(JsonFormat.printer().print(message));
  }

  /** Returns the first difference, or null. The expected text "…" is any that is not empty. */
  private static String compare(JsonElement expected, JsonElement got, String path) {
    if (got == null) {
      return path + ": expected " + expected + ", got nothing";
    }
    if (expected.isJsonObject() && got.isJsonObject()) {
      for (String key : got.getAsJsonObject().keySet()) {
        if (!expected.getAsJsonObject().has(key)) {
          return path + "." + key + ": expected nothing, got " + got.getAsJsonObject().get(key);
        }
      }
      for (Map.Entry<String, JsonElement> entry : expected.getAsJsonObject().entrySet()) {
        String key = entry.getKey();
        String problem =
            compare(entry.getValue(), got.getAsJsonObject().get(key), path + "." + key);
        if (problem != null) {
          return problem;
        }
      }
      return null;
    }
    if (expected.isJsonArray() && got.isJsonArray()) {
      JsonArray wanted = expected.getAsJsonArray();
      JsonArray had = got.getAsJsonArray();
      for (int i = 0; i < Math.min(wanted.size(), had.size()); i++) {
        String problem = compare(wanted.get(i), had.get(i), path + "[" + i + "]");
        if (problem != null) {
          return problem;
        }
      }
      return wanted.size() == had.size()
          ? null
          : path + ": expected " + wanted.size() + " elements, got " + had.size();
    }
    return same(expected, got) ? null : path + ": expected " + expected + ", got " + got;
  }

  private static boolean same(JsonElement expected, JsonElement got) {
    if (expected.isJsonPrimitive() && got.isJsonPrimitive()) {
      JsonPrimitive wanted = expected.getAsJsonPrimitive();
      JsonPrimitive had = got.getAsJsonPrimitive();
      if (wanted.isNumber() && had.isNumber()) {
        return wanted.getAsBigDecimal().compareTo(had.getAsBigDecimal()) == 0;
      }
      if (wanted.isString() && had.isString() && wanted.getAsString().equals("…")) {
        return !had.getAsString().isEmpty();
      }
      return wanted.isNumber() == had.isNumber() && wanted.equals(had);
    }
    return expected.equals(got);
  }
}
