// One call of a watch.

package io.leadchat.inbox;

import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import io.leadchat.inbox.v1.InboxServiceGrpc;
import io.leadchat.inbox.v1.InboxServiceGrpc.InboxServiceBlockingStub;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import io.leadchat.inbox.v1.WatchInboxesResponse;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** A call whose events are requested one by one, so that a slow reader slows the server down. */
final class WatchCall extends ClientCall.Listener<WatchInboxesResponse> {
  private final ClientCall<WatchInboxesRequest, WatchInboxesResponse> call;
  // At most one event and the end, which throws.
  private final BlockingQueue<Supplier<WatchInboxesResponse>> received =
      new LinkedBlockingQueue<>();
  private volatile Metadata headers;

  private WatchCall(InboxServiceBlockingStub stub) {
    call = stub.getChannel()
        .newCall(InboxServiceGrpc.getWatchInboxesMethod(), stub.getCallOptions());
  }

  static WatchCall start(InboxServiceBlockingStub stub, WatchInboxesRequest request) {
    WatchCall watch = new WatchCall(stub);
    watch.call.start(watch, new Metadata());
    watch.call.sendMessage(request);
    watch.call.halfClose();
    return watch;
  }

  /** Returns the next event, or throws the {@link InboxException} that has ended the call. */
  WatchInboxesResponse next(Duration timeout) throws InterruptedException {
    call.request(1);
    Supplier<WatchInboxesResponse> next =
        received.poll(timeout.toMillis(), TimeUnit.MILLISECONDS);
    if (next == null) {
      throw broken("there was no event for " + timeout.toSeconds() + " s");
    }
    return next.get();
  }

  void cancel() {
    call.cancel("the watch does not need the call any more", null);
  }

  @Override
  public void onHeaders(Metadata headers) {
    this.headers = headers;
  }

  @Override
  public void onMessage(WatchInboxesResponse event) {
    received.add(() -> event);
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    received.add(() -> {
      throw status.isOk()
          ? broken("the call ended without a status")
          : InboxException.of(status.asRuntimeException(trailers), headers);
    });
  }

  private InboxException broken(String text) {
    Status status = Status.UNAVAILABLE.withDescription(text);
    return InboxException.of(status.asRuntimeException(), headers);
  }
}
