// A token in a header, asked for anew for each attempt of each call.

package io.leadchat.inbox;

import io.grpc.CallCredentials;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** Sends a token. It keeps a supplier and no token, so its text has none. */
final class Bearer extends CallCredentials {
  private final String header;
  private final Supplier<String> token;

  Bearer(String header, Supplier<String> token) {
    this.header = header;
    this.token = token;
  }

  @Override
  public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
    // A supplier may block, which the thread of this method must not.
    executor.execute(() -> {
      Metadata headers = new Metadata();
      try {
        headers.put(
            Metadata.Key.of(header, Metadata.ASCII_STRING_MARSHALLER), "Bearer " + checkedToken());
      } catch (RuntimeException e) {
        applier.fail(Status.UNAUTHENTICATED
            .withDescription(header + " was not sent: there is no usable token").withCause(e));
        return;
      }
      applier.apply(headers);
    });
  }

  private String checkedToken() {
    String stripped = token.get().strip();
    if (!stripped.matches("[\\x21-\\x7e]+")) {
      throw new IllegalArgumentException("the token is not 1 or more visible ASCII characters");
    }
    return stripped;
  }
}
