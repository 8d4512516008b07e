// The mode idioms, third part: watches and caches of real servers.

package io.leadchat.inbox.conformance;

import static io.leadchat.inbox.conformance.Idioms.check;
import static io.leadchat.inbox.conformance.Idioms.expect;
import static io.leadchat.inbox.conformance.Idioms.thrown;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.leadchat.inbox.CacheNotReadyException;
import io.leadchat.inbox.InboxCache;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxException;
import io.leadchat.inbox.InboxWatch;
import io.leadchat.inbox.Reason;
import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.KnownInbox;
import io.leadchat.inbox.v1.ListInboxesRequest;
import io.leadchat.inbox.v1.Role;
import io.leadchat.inbox.v1.SecretGroup;
import io.leadchat.inbox.v1.Viewer;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Runs the checks of watches and caches, without those of {@link ResumptionIdioms}. */
final class WatchIdioms {
  private static final WatchInboxesRequest OF_ADMINISTRATOR = request(1, 1);
  private static final WatchInboxesRequest OF_AGENT = request(1, 2);
  private static final WatchInboxesRequest DENIED = request(2, 1);
  static final Duration SHORT = Duration.ofMillis(300);
  private static final Duration LONG = Duration.ofSeconds(10);

  private final Servers servers;

  WatchIdioms(Servers servers) {
    this.servers = servers;
  }

  void run() {
    try (InboxClient client = servers.plain()) {
      check("watch/close-leaves-nothing-behind", () -> close(client));
      check("watch/close-within-the-observer", () -> closeWithin(client));
      check("watch/two-at-once", () -> twoAtOnce(client));
      check("watch/known", () -> known(client));
      check("watch/denied", () -> denied(client));
      check("watch/no-default-deadline", () -> noDeadline(client));
      check("watch/own-deadline-of-the-stub", () -> ownDeadline(client));
      check("cache/equals-the-list", () -> equalsTheList(client));
      check("cache/begins-empty", () -> thrown(IllegalArgumentException.class,
          () -> client.cache(OF_AGENT.toBuilder().addKnown(KnownInbox.newBuilder()).build())));
      check("cache/denied", () -> deniedCache(client));
    }
    check("cache/not-ready", WatchIdioms::notReady);
    check("cache/closed", this::closedCache);
    check("close/ends-watches", this::clientClose);
  }

  static WatchInboxesRequest request(long account, long user) {
    return WatchInboxesRequest.newBuilder()
        .setAccountId(account).setViewer(Viewer.newBuilder().setUserId(user)).build();
  }

  /** Records the end of each call. */
  private static final class Ends implements ClientInterceptor {
    final BlockingQueue<Status.Code> codes = new LinkedBlockingQueue<>();

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(
        MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          super.start(
              new SimpleForwardingClientCallListener<>(listener) {
                @Override
                public void onClose(Status status, Metadata trailers) {
                  super.onClose(status, trailers);
                  codes.add(status.getCode());
                }
              },
              headers);
        }
      };
    }
  }

  private static void close(InboxClient client) throws Exception {
    Ends ends = new Ends();
    Recording recording = new Recording();
    InboxWatch watch =
        client.with(stub -> stub.withInterceptors(ends)).watch(OF_ADMINISTRATOR, recording);
    expect("upserted", 13, recording.upserted());
    expect("closed", false, watch.isClosed());
    watch.close();
    watch.close();
    expect("closed", true, watch.isClosed());
    expect("end", Status.Code.CANCELLED, ends.codes.poll(1, TimeUnit.SECONDS));
    expectNoThread();
    expect("quiet", true, recording.isQuiet(SHORT));
    expect("calls", true, ends.codes.isEmpty());
  }

  private static void expectNoThread() throws InterruptedException {
    for (int i = 0; i < 100 && watchThreads() > 0; i++) {
      Thread.sleep(10);
    }
    expect("threads", 0L, watchThreads());
  }

  private static long watchThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("leadchat-inbox-watch")).count();
  }

  private static void closeWithin(InboxClient client) throws Exception {
    CompletableFuture<InboxWatch> watch = new CompletableFuture<>();
    Recording recording = new Recording() {
      @Override
      public void onUpserted(Inbox inbox, Role role, List<SecretGroup> withheld) {
        super.onUpserted(inbox, role, withheld);
        watch.join().close();
      }
    };
    watch.complete(client.watch(OF_ADMINISTRATOR, recording));
    recording.next();
    expectNoThread();
    expect("quiet", true, recording.isQuiet(SHORT));
  }

  private static void twoAtOnce(InboxClient client) throws Exception {
    Recording first = new Recording();
    Recording second = new Recording();
    try (InboxWatch one = client.watch(OF_ADMINISTRATOR, first)) {
      try (InboxWatch two = client.watch(OF_AGENT, second)) {
        expect("upserted to the agent", 3, second.upserted());
        expect("upserted to the administrator", 13, first.upserted());
        expect("closed", false, two.isClosed());
      }
      expect("roles", List.of(Role.ROLE_ADMINISTRATOR, Role.ROLE_AGENT),
          List.of(first.role(), second.role()));
      expect("closed", false, one.isClosed());
    }
  }

  private static void known(InboxClient client) throws Exception {
    String etag = client.inboxes(list(2)).filter(inbox -> inbox.getId() == 1)
        .findFirst().orElseThrow().getEtag();
    WatchInboxesRequest.Builder request = OF_AGENT.toBuilder();
    request.addKnownBuilder().setInboxId(1).setEtag(etag);
    request.addKnownBuilder().setInboxId(2).setEtag(etag);
    request.addKnownBuilder().setInboxId(3).setEtag("earlier");
    Recording recording = new Recording();
    try (InboxWatch watch = client.watch(request.build(), recording)) {
      expect("events", List.of("removed 2", "upserted 3", "upserted 7", "synced"),
          recording.next(4));
      expect("closed", false, watch.isClosed());
    }
  }

  private static ListInboxesRequest list(long user) {
    return ListInboxesRequest.newBuilder()
        .setAccountId(1).setViewer(Viewer.newBuilder().setUserId(user)).build();
  }

  private static void denied(InboxClient client) throws Exception {
    Recording recording = new Recording();
    InboxWatch watch = client.watch(DENIED, recording);
    expect("event", "ended PERMISSION_DENIED ACCESS_DENIED", recording.next());
    expectNoThread();
    expect("closed", true, watch.isClosed());
    expect("quiet", true, recording.isQuiet(SHORT));
  }

  private static void noDeadline(InboxClient client) throws Exception {
    Recording recording = new Recording();
    try (InboxWatch watch = client.withTimeout(SHORT).watch(OF_AGENT, recording)) {
      expect("upserted", 3, recording.upserted());
      expect("quiet", true, recording.isQuiet(SHORT.multipliedBy(3)));
      expect("closed", false, watch.isClosed());
    }
  }

  private static void ownDeadline(InboxClient client) throws Exception {
    Recording recording = new Recording();
    client.with(stub -> stub.withDeadlineAfter(SHORT.toMillis(), TimeUnit.MILLISECONDS))
        .watch(OF_AGENT, recording);
    expect("upserted", 3, recording.upserted());
    expect("end", true, recording.next().startsWith("ended DEADLINE_EXCEEDED"));
  }

  private static void equalsTheList(InboxClient client) throws Exception {
    try (InboxCache cache = client.cache(OF_ADMINISTRATOR)) {
      expect("synced", true, cache.waitSynced(LONG));
      List<Inbox> inboxes = client.inboxes(list(1)).collect(Collectors.toList());
      expect("inboxes", inboxes, cache.list());
      expect("inbox", inboxes.get(0), cache.get(inboxes.get(0).getId()).orElseThrow());
      expect("missing", Optional.empty(), cache.get(99));
      expect("error", Optional.empty(), cache.error());
      expect("young", true, cache.age().orElseThrow().compareTo(LONG) < 0);
      thrown(UnsupportedOperationException.class, () -> cache.list().remove(0));
    }
  }

  private static void deniedCache(InboxClient client) throws Exception {
    try (InboxCache cache = client.cache(DENIED)) {
      InboxException error = thrown(InboxException.class, () -> cache.waitSynced(LONG));
      expect("reason", Reason.ACCESS_DENIED, error.reason());
      expect("error", Optional.of(error), cache.error());
      expect("error of a read", error, thrown(InboxException.class, () -> cache.get(1)));
      expect("error of a read", error, thrown(InboxException.class, cache::list));
      expect("error of a read", error, thrown(InboxException.class, cache::readTime));
      expect("error of a read", error, thrown(InboxException.class, cache::age));
    }
  }

  private static void notReady() throws Exception {
    // Nothing listens on port 1.
    try (InboxClient nobody = InboxClient.builder("127.0.0.1:1").build();
        InboxCache cache = nobody.cache(OF_AGENT)) {
      expect("synced", false, cache.waitSynced(SHORT));
      CacheNotReadyException error = thrown(CacheNotReadyException.class, cache::list);
      expect("cause", Status.Code.UNAVAILABLE, ((InboxException) error.getCause()).code());
      thrown(CacheNotReadyException.class, () -> cache.get(1));
      expect("read time", Optional.empty(), cache.readTime());
      expect("age", Optional.empty(), cache.age());
      expect("error", Optional.empty(), cache.error());
    }
    expectNoThread();
  }

  private void closedCache() throws Exception {
    try (InboxClient client = servers.plain()) {
      InboxCache cache = client.cache(OF_AGENT);
      cache.waitSynced(LONG);
      cache.close();
      thrown(IllegalStateException.class, cache::list);
      thrown(IllegalStateException.class, cache::readTime);
      thrown(IllegalStateException.class, cache::age);
      expect("error", Optional.empty(), cache.error());
    }
    expectNoThread();
  }

  private void clientClose() throws Exception {
    InboxClient client = servers.plain();
    Recording recording = new Recording();
    InboxWatch watch = client.watch(OF_AGENT, recording);
    expect("upserted", 3, recording.upserted());
    InboxClient nobody = InboxClient.builder("127.0.0.1:1").build();
    InboxCache cache = nobody.cache(OF_AGENT);
    CompletableFuture<Boolean> waiting = CompletableFuture.supplyAsync(() -> {
      try {
        return cache.waitSynced(LONG);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    });
    long before = System.nanoTime();
    nobody.close();
    client.close();
    expect("waiting ends", "the cache is closed",
        thrown(ExecutionException.class, waiting::get).getCause().getMessage());
    expect("quickly", true, System.nanoTime() - before < Duration.ofSeconds(3).toNanos());
    expect("closed", true, watch.isClosed());
    expectNoThread();
    expect("quiet", true, recording.isQuiet(SHORT));
  }
}
