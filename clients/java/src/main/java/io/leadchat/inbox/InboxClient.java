// The client: the methods of the service, and clients derived for one viewer or time-out.

package io.leadchat.inbox;

import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.leadchat.inbox.v1.BatchGetInboxesRequest;
import io.leadchat.inbox.v1.BatchGetInboxesResponse;
import io.leadchat.inbox.v1.ExplainAccessRequest;
import io.leadchat.inbox.v1.ExplainAccessResponse;
import io.leadchat.inbox.v1.FindInboxesRequest;
import io.leadchat.inbox.v1.FindInboxesResponse;
import io.leadchat.inbox.v1.GetInboxRequest;
import io.leadchat.inbox.v1.GetInboxResponse;
import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.InboxServiceGrpc.InboxServiceBlockingStub;
import io.leadchat.inbox.v1.ListInboxesRequest;
import io.leadchat.inbox.v1.ListInboxesResponse;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.Spliterator;
import java.util.Spliterators.AbstractSpliterator;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * A blocking client of leadchat-inbox. It is safe for use by several threads, and one client of a
 * process is enough. Failed calls throw {@link InboxException}.
 */
public final class InboxClient implements AutoCloseable {
  /** The time-out of each call, in the options of the call; below or at zero it has passed. */
  static final CallOptions.Key<Duration> TIMEOUT = CallOptions.Key.create("inbox-timeout");

  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

  private final ManagedChannel channel;
  private final InboxServiceBlockingStub stub;
  // Those of all clients of the channel.
  private final Set<InboxWatch> watches;
  private final boolean derived;

  InboxClient(ManagedChannel channel, InboxServiceBlockingStub stub) {
    this(channel, stub, ConcurrentHashMap.newKeySet(), false);
  }

  private InboxClient(
      ManagedChannel channel,
      InboxServiceBlockingStub stub,
      Set<InboxWatch> watches,
      boolean derived) {
    this.channel = channel;
    this.stub = stub;
    this.watches = watches;
    this.derived = derived;
  }

  /**
   * Returns a builder for one {@code host:port}, several of them (replicas), or one
   * {@code unix:/path}. Calls go round-robin to all addresses.
   */
  public static InboxClientBuilder builder(String... addresses) {
    return new InboxClientBuilder(List.of(addresses));
  }

  /** Returns one inbox. */
  public GetInboxResponse get(GetInboxRequest request) {
    return call(stub -> stub.getInbox(request));
  }

  /** Returns one page of the visible inboxes. */
  public ListInboxesResponse list(ListInboxesRequest request) {
    return call(stub -> stub.listInboxes(request));
  }

  /** Returns several inboxes of one account. */
  public BatchGetInboxesResponse batch(BatchGetInboxesRequest request) {
    return call(stub -> stub.batchGetInboxes(request));
  }

  /** Returns the inboxes that own an external address. */
  public FindInboxesResponse find(FindInboxesRequest request) {
    return call(stub -> stub.findInboxes(request));
  }

  /** Says whether this caller may ask a question for a viewer, and what the viewer would get. */
  public ExplainAccessResponse explain(ExplainAccessRequest request) {
    return call(stub -> stub.explainAccess(request));
  }

  /**
   * Returns the visible inboxes, from the page of the request to the last one. A page is requested
   * when the stream needs it.
   */
  public Stream<Inbox> inboxes(ListInboxesRequest request) {
    return pages(request).flatMap(page -> page.getInboxesList().stream());
  }

  /** Returns the pages, as {@link #inboxes} does. A page also says which role was applied. */
  public Stream<ListInboxesResponse> pages(ListInboxesRequest request) {
    int kind = Spliterator.ORDERED | Spliterator.NONNULL;
    return StreamSupport.stream(
        new AbstractSpliterator<ListInboxesResponse>(Long.MAX_VALUE, kind) {
          private ListInboxesRequest next = request;

          @Override
          public boolean tryAdvance(Consumer<? super ListInboxesResponse> action) {
            if (next == null) {
              return false;
            }
            ListInboxesResponse page = list(next);
            String token = page.getNextPageToken();
            next = token.isEmpty() ? null : next.toBuilder().setPageToken(token).build();
            action.accept(page);
            return true;
          }
        },
        false);
  }

  /**
   * Begins a watch of the inboxes that are visible to the viewer. First come the differences to
   * {@code known} of the request, then {@link WatchObserver#onSynced}, then every change.
   *
   * <p>The watch goes on by itself, by the rule in {@code clients/README.md}, section Watches. A
   * deadline of the stub ends it. The {@code Context} of the caller has no effect on it.
   */
  public InboxWatch watch(WatchInboxesRequest request, WatchObserver observer) {
    return watch(request, observer, () -> {});
  }

  /** The action runs when the watch has ended or is closed. */
  InboxWatch watch(WatchInboxesRequest request, WatchObserver observer, Runnable ended) {
    InboxWatch watch = new InboxWatch(channel, stub, request, observer);
    watches.add(watch);
    watch.start(() -> {
      watches.remove(watch);
      ended.run();
    });
    return watch;
  }

  /**
   * Begins a watch, and keeps the inboxes that it tells.
   *
   * @throws IllegalArgumentException if the request has {@code known}: a cache begins empty
   */
  public InboxCache cache(WatchInboxesRequest request) {
    if (request.getKnownCount() > 0) {
      throw new IllegalArgumentException("a cache begins empty, so known has to be empty");
    }
    return new InboxCache(this, request);
  }

  /**
   * Returns a client for one viewer, whose token goes along with each call. Derived clients share
   * the connections of the first one, which is to be closed.
   */
  public InboxClient withViewerToken(String token) {
    return withViewerToken(() -> token);
  }

  /** Returns a client for one viewer. The supplier is asked for each attempt of each call. */
  public InboxClient withViewerToken(Supplier<String> token) {
    return with(stub -> stub.withCallCredentials(new Bearer("viewer-authorization", token)));
  }

  /** Returns a client with another time-out for each call. A watch has no time-out. */
  public InboxClient withTimeout(Duration timeout) {
    return with(stub -> stub.withOption(TIMEOUT, timeout));
  }

  /**
   * Returns a client with another stub, for all that a stub can have: interceptors, metadata,
   * options. A deadline of the stub replaces the time-out. It is a point in time, after which each
   * call of the returned client fails; {@link #withTimeout} is for each call anew.
   */
  public InboxClient with(UnaryOperator<InboxServiceBlockingStub> change) {
    return new InboxClient(channel, change.apply(stub), watches, true);
  }

  /** Returns the generated stub, with the addresses, credentials and time-out of this client. */
  public InboxServiceBlockingStub stub() {
    return stub;
  }

  /** Returns the channel, for its state and for stubs of other services. */
  public ManagedChannel channel() {
    return channel;
  }

  /**
   * Closes the watches and caches, and the connections once the calls in flight have ended. A
   * derived client closes none.
   */
  @Override
  public void close() {
    if (derived) {
      return;
    }
    watches.forEach(InboxWatch::close);
    channel.shutdown();
    try {
      channel.awaitTermination(CLOSE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    channel.shutdownNow();
  }

  private <T> T call(Function<InboxServiceBlockingStub, T> method) {
    AtomicReference<Metadata> headers = new AtomicReference<>();
    try {
      return method.apply(stub.withInterceptors(
          MetadataUtils.newCaptureMetadataInterceptor(headers, new AtomicReference<>())));
    } catch (StatusRuntimeException e) {
      throw InboxException.of(e, headers.get());
    }
  }
}
