// The servers file, and clients for its endpoints.

package io.leadchat.inbox.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxClientBuilder;
import java.nio.file.Path;
import java.util.function.Supplier;
import java.util.stream.StreamSupport;

/** Addresses, and the files of the callers and viewers. */
final class Servers {
  private final JsonObject file;

  Servers(JsonObject file) {
    this.file = file;
  }

  String address(String endpoint) {
    return file.getAsJsonObject(endpoint).get("address").getAsString();
  }

  Path ca() {
    return Path.of(file.getAsJsonObject("tls").get("ca").getAsString());
  }

  Path caller(String name, String key) {
    return Path.of(file.getAsJsonObject("callers").getAsJsonObject(name).get(key).getAsString());
  }

  String[] replicas() {
    return StreamSupport.stream(file.getAsJsonArray("replicas").spliterator(), false)
        .map(JsonElement::getAsString)
        .toArray(String[]::new);
  }

  Supplier<String> viewerToken(String user) {
    return InboxClientBuilder.tokenFile(
        Path.of(file.getAsJsonObject("viewer_tokens").get(user).getAsString()));
  }

  InboxClient plain() {
    return InboxClient.builder(address("plain")).build();
  }

  InboxClient unix() {
    return InboxClient.builder(address("unix")).build();
  }

  InboxClient tls(String caller) {
    JsonObject files = file.getAsJsonObject("callers").getAsJsonObject(caller);
    if (files == null) {
      throw new IllegalArgumentException("the servers file has no caller " + caller);
    }
    InboxClientBuilder builder = InboxClient.builder(address("tls")).tls(ca());
    if (files.has("certificate")) {
      builder.certificate(caller(caller, "certificate"), caller(caller, "key"));
    }
    if (files.has("token")) {
      builder.token(InboxClientBuilder.tokenFile(caller(caller, "token")));
    }
    return builder.build();
  }
}
