// A token in a header, asked for anew for each attempt of each call.

package io.leadchat.inbox;

import io.grpc.CallCredentials;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.SecurityLevel;
import io.grpc.Status;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** Sends a token over TLS and within this machine only. It keeps a supplier and no token. */
final class Bearer extends CallCredentials {
  private final String header;
  private final Supplier<String> token;

  Bearer(String header, Supplier<String> token) {
    this.header = header;
    this.token = token;
  }

  @Override
  public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
    SocketAddress peer = call.getTransportAttrs().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
    if (call.getSecurityLevel() != SecurityLevel.PRIVACY_AND_INTEGRITY && !isLocal(peer)) {
      applier.fail(unsent("the connection is neither TLS nor local"));
      return;
    }
    // A supplier may block, which the thread of this method must not.
    executor.execute(() -> {
      try {
        Metadata headers = new Metadata();
        headers.put(
            Metadata.Key.of(header, Metadata.ASCII_STRING_MARSHALLER),
            "Bearer " + token.get().strip());
        applier.apply(headers);
      } catch (RuntimeException e) {
        applier.fail(unsent("its supplier failed").withCause(e));
      }
    });
  }

  // A Unix socket has an address of another type.
  private static boolean isLocal(SocketAddress peer) {
    return peer instanceof InetSocketAddress
        ? ((InetSocketAddress) peer).getAddress().isLoopbackAddress()
        : peer != null;
  }

  private Status unsent(String why) {
    return Status.UNAUTHENTICATED.withDescription(header + " was not sent: " + why);
  }
}
