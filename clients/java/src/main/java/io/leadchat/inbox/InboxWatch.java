// A watch: calls one after another, as if they were one.

package io.leadchat.inbox;

import com.google.protobuf.Timestamp;
import io.grpc.ManagedChannel;
import io.leadchat.inbox.v1.InboxServiceGrpc.InboxServiceBlockingStub;
import io.leadchat.inbox.v1.KnownInbox;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import io.leadchat.inbox.v1.WatchInboxesResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A watch that {@link InboxClient#watch} has begun. It has one thread, a daemon, until it ends or
 * is closed. The events are those of one call, although the watch begins a new one when the last
 * one ends. {@code clients/README.md} has the rule, in the section Watches.
 */
public final class InboxWatch implements AutoCloseable {
  // Three heartbeats.
  private static final Duration MAX_SILENCE = Duration.ofSeconds(45);

  private final ManagedChannel channel;
  private final InboxServiceBlockingStub stub;
  private final WatchInboxesRequest request;
  private final WatchObserver observer;
  private final Held held;
  private final Resumption resumption;
  private final CountDownLatch closing = new CountDownLatch(1);
  private volatile WatchCall call;

  InboxWatch(
      ManagedChannel channel,
      InboxServiceBlockingStub stub,
      WatchInboxesRequest request,
      WatchObserver observer) {
    this.channel = channel;
    this.stub = stub;
    this.request = request.toBuilder().clearKnown().build();
    this.observer = observer;
    held = new Held(request.getKnownList());
    resumption = new Resumption(stub.getCallOptions().getDeadline() != null);
  }

  /** Begins the watch. The action runs when it has ended, on its thread. */
  void start(Runnable ended) {
    Thread thread = new Thread(() -> {
      try {
        run();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } finally {
        close();
        ended.run();
      }
    }, "leadchat-inbox-watch");
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Ends the call at once. At most the method of the observer that is running goes on. It may be
   * called by the observer, and more than once.
   */
  @Override
  public void close() {
    closing.countDown();
    WatchCall last = call;
    if (last != null) {
      last.cancel();
    }
  }

  /** Returns whether the watch has ended, by itself or by {@link #close}. */
  public boolean isClosed() {
    return closing.getCount() == 0;
  }

  private void run() throws InterruptedException {
    while (!isClosed()) {
      Optional<InboxException> overdue = resumption.overdue();
      List<KnownInbox> known = held.known();
      InboxException error = overdue.isPresent() ? overdue.get() : follow(known);
      if (isClosed()) {
        return;
      }
      if (error.reason() == Reason.REQUEST_TOO_LARGE) {
        held.omitKnown();
      }
      Optional<Duration> delay = resumption.delay(error, !known.isEmpty());
      if (delay.isEmpty() || channel.isShutdown()) {
        observer.onEnded(error);
        return;
      }
      observer.onInterrupted(error);
      if (Resumption.isOfCertificate(error)) {
        channel.enterIdle();
      }
      pause(resumption.limit(delay.get()));
    }
  }

  /** Tells the events of one call. Returns the error that it has ended with. */
  private InboxException follow(List<KnownInbox> known) throws InterruptedException {
    WatchCall begun = WatchCall.start(stub, request.toBuilder().addAllKnown(known).build());
    call = begun;
    if (isClosed()) {
      // It was closed before it knew the call.
      begun.cancel();
    }
    try {
      while (true) {
        WatchInboxesResponse event;
        try {
          event = begun.next(resumption.limit(MAX_SILENCE));
        } catch (InboxException e) {
          return resumption.overdue().orElse(e);
        }
        tell(event);
      }
    } finally {
      begun.cancel();
    }
  }

  private void tell(WatchInboxesResponse event) {
    if (isClosed()) {
      return;
    }
    switch (event.getEventCase()) {
      case UPSERTED:
        if (held.upsert(event.getUpserted())) {
          observer.onUpserted(
              event.getUpserted(), event.getDisclosedAs(), event.getCallerWithheldList());
        }
        break;
      case REMOVED:
        held.remove(event.getRemoved().getInboxId());
        observer.onRemoved(event.getRemoved().getInboxId());
        break;
      case SYNCED:
        for (long gone : held.sync()) {
          observer.onRemoved(gone);
          if (isClosed()) {
            return;
          }
        }
        resumption.synced();
        observer.onSynced(instant(event.getSynced().getReadTime()));
        break;
      case HEARTBEAT:
        observer.onHeartbeat(instant(event.getHeartbeat().getReadTime()));
        break;
      default:
        // An event of a later version.
        break;
    }
  }

  // Connections are tried anew shortly before the call, as gRPC's own backoff is longer.
  private void pause(Duration delay) throws InterruptedException {
    long millis = delay.toMillis();
    if (!closing.await(millis * 4 / 5, TimeUnit.MILLISECONDS)) {
      channel.resetConnectBackoff();
      closing.await(millis - millis * 4 / 5, TimeUnit.MILLISECONDS);
    }
  }

  private static Instant instant(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
  }
}
