// The mode idioms, fourth part: how a watch goes on, with a server that ends it as told.

package io.leadchat.inbox.conformance;

import static io.leadchat.inbox.conformance.Idioms.check;
import static io.leadchat.inbox.conformance.Idioms.expect;
import static java.util.concurrent.TimeUnit.MILLISECONDS;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxWatch;
import io.leadchat.inbox.v1.InboxServiceGrpc;
import io.leadchat.inbox.v1.KnownInbox;
import io.leadchat.inbox.v1.Synced;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import io.leadchat.inbox.v1.WatchInboxesResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** Runs the checks of what a watch does when its stream has ended. */
final class ResumptionIdioms {
  private static final int MAX_KNOWN = 5000;
  private static final WatchInboxesResponse SYNCED =
      WatchInboxesResponse.newBuilder().setSynced(Synced.getDefaultInstance()).build();
  private static final Throwable RECONNECT = error(Status.Code.UNAVAILABLE, "RECONNECT", 0);
  private static final Throwable TOO_LARGE =
      error(Status.Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", 0);
  private static final Throwable EXPIRED = expired("authorization");
  private static final Throwable CERTIFICATE_EXPIRED = expired("certificate");
  // More than the time for new credentials.
  private static final Duration RENEWAL_TIMEOUT = Duration.ofSeconds(35);

  /** A stream of the server: what it sends, and how it ends. */
  private interface Stream extends Consumer<StreamObserver<WatchInboxesResponse>> {}

  /** Answers one stream after another, and keeps the requests. */
  static final class Script extends InboxServiceGrpc.InboxServiceImplBase
      implements AutoCloseable {
    final BlockingQueue<WatchInboxesRequest> requests = new LinkedBlockingQueue<>();
    final Recording recording;
    private final BlockingQueue<Stream> streams;
    private final Server server;
    private final InboxClient client;
    private final InboxWatch watch;

    Script(Stream... streams) throws Exception {
      this(new Recording(), streams);
    }

    Script(Recording recording, Stream... streams) throws Exception {
      this.recording = recording;
      this.streams = new LinkedBlockingQueue<>(List.of(streams));
      server = Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
          .addService(this).build().start();
      client = InboxClient.builder("127.0.0.1:" + server.getPort()).build();
      watch = client.watch(WatchIdioms.request(1, 1), recording);
    }

    @Override
    public void watchInboxes(
        WatchInboxesRequest request, StreamObserver<WatchInboxesResponse> observer) {
      requests.add(request);
      streams.remove().accept(observer);
    }

    /** Returns what the next request knows, as {@code id=etag}. */
    List<String> known() throws InterruptedException {
      WatchInboxesRequest request = requests.poll(5000, MILLISECONDS);
      if (request == null) {
        throw new Idioms.Problem("expected another stream, got none");
      }
      return request.getKnownList().stream().map(ResumptionIdioms::text)
          .sorted().collect(Collectors.toList());
    }

    @Override
    public void close() {
      watch.close();
      client.close();
      server.shutdownNow();
    }
  }

  private ResumptionIdioms() {}

  /** Begins a watch whose certificate is not renewed. It ends after 30 s. */
  static Script unrenewed() throws Exception {
    return new Script(
        stream(CERTIFICATE_EXPIRED, SYNCED), stream(broken(Status.Code.UNAVAILABLE)), stream(null));
  }

  static void run(Script unrenewed) {
    check("watch/goes-on-with-what-it-holds", ResumptionIdioms::goesOn);
    check("watch/more-than-can-be-known", ResumptionIdioms::tooMany);
    check("watch/names-none-after-a-request-too-large", ResumptionIdioms::tooLarge);
    check("watch/close-within-removals", ResumptionIdioms::closeWithin);
    check("watch/expired-credentials-once", ResumptionIdioms::expired);
    check("watch/waits-for-a-new-certificate", ResumptionIdioms::expiredCertificate);
    check("watch/goes-on-at-once-one-time", ResumptionIdioms::atOnce);
    check("watch/waits-as-the-service-asks", ResumptionIdioms::waits);
    check("watch/errors-that-end-it", ResumptionIdioms::ends);
    check("watch/credentials-not-renewed", () -> notRenewed(unrenewed));
  }

  private static String text(KnownInbox known) {
    return known.getInboxId() + "=" + known.getEtag();
  }

  private static WatchInboxesResponse upserted(long id, String etag) {
    WatchInboxesResponse.Builder event = WatchInboxesResponse.newBuilder();
    event.getUpsertedBuilder().setId(id).setEtag(etag);
    return event.build();
  }

  private static WatchInboxesResponse removed(long id) {
    WatchInboxesResponse.Builder event = WatchInboxesResponse.newBuilder();
    event.getRemovedBuilder().setInboxId(id);
    return event.build();
  }

  private static Throwable expired(String credential) {
    return error(Status.Code.UNAUTHENTICATED, 0, ErrorInfo.newBuilder()
        .setReason("CREDENTIALS_EXPIRED").putMetadata("credential", credential));
  }

  private static Throwable error(Status.Code code, String reason, int delayMillis) {
    return error(code, delayMillis, ErrorInfo.newBuilder().setReason(reason));
  }

  private static Throwable error(Status.Code code, int delayMillis, ErrorInfo.Builder info) {
    com.google.rpc.Status.Builder status = com.google.rpc.Status.newBuilder().setCode(code.value());
    status.addDetails(Any.pack(info.setDomain("inbox.leadchat").build()));
    RetryInfo.Builder delay = RetryInfo.newBuilder();
    delay.getRetryDelayBuilder().setNanos(delayMillis * 1_000_000);
    status.addDetails(Any.pack(delay.build()));
    return StatusProto.toStatusRuntimeException(status.build());
  }

  private static Throwable broken(Status.Code code) {
    return code.toStatus().asRuntimeException();
  }

  private static Stream stream(Throwable error, WatchInboxesResponse... events) {
    return observer -> {
      for (WatchInboxesResponse event : events) {
        observer.onNext(event);
      }
      if (error != null) {
        observer.onError(error);
      }
    };
  }

  private static void goesOn() throws Exception {
    try (Script script = new Script(
        stream(RECONNECT, upserted(1, "a"), upserted(2, "b"), SYNCED),
        stream(broken(Status.Code.UNKNOWN), removed(1), upserted(3, "c")),
        stream(broken(Status.Code.INTERNAL), upserted(2, "d"), SYNCED),
        stream(broken(Status.Code.CANCELLED)),
        stream(broken(Status.Code.DEADLINE_EXCEEDED)),
        StreamObserver::onCompleted,
        stream(error(Status.Code.PERMISSION_DENIED, "ACCESS_DENIED", 0)))) {
      expect("events", List.of(
          "upserted 1", "upserted 2", "synced", "interrupted UNAVAILABLE RECONNECT",
          "removed 1", "upserted 3", "interrupted UNKNOWN",
          "upserted 2", "synced", "interrupted INTERNAL",
          "interrupted CANCELLED",
          "interrupted DEADLINE_EXCEEDED",
          "interrupted UNAVAILABLE",
          "ended PERMISSION_DENIED ACCESS_DENIED"), script.recording.next(14));
      expect("known at first", List.of(), script.known());
      expect("known", List.of("1=a", "2=b"), script.known());
      expect("known amid a batch", List.of("2=b", "3=c"), script.known());
      for (int i = 0; i < 4; i++) {
        expect("known at last", List.of("2=d", "3=c"), script.known());
      }
    }
  }

  // All comes again, in two streams. One inbox has changed, and one has gone.
  private static void tooMany() throws Exception {
    List<WatchInboxesResponse> all = new ArrayList<>();
    for (int id = 1; id <= MAX_KNOWN + 1; id++) {
      all.add(upserted(id, "a"));
    }
    all.add(SYNCED);
    List<WatchInboxesResponse> again = new ArrayList<>(all.subList(2, all.size() - 1));
    again.add(upserted(2, "b"));
    again.add(SYNCED);
    WatchInboxesResponse[] none = {};
    try (Script script = new Script(
        stream(RECONNECT, all.toArray(none)),
        stream(broken(Status.Code.UNAVAILABLE), all.subList(0, 10).toArray(none)),
        stream(RECONNECT, again.toArray(none)),
        stream(null, SYNCED))) {
      expect("upserted", MAX_KNOWN + 1, script.recording.upserted());
      expect("events", List.of(
          "interrupted UNAVAILABLE RECONNECT",
          "interrupted UNAVAILABLE",
          "upserted 2", "removed 1", "synced", "interrupted UNAVAILABLE RECONNECT",
          "synced"), script.recording.next(7));
      for (int i = 0; i < 3; i++) {
        expect("known", List.of(), script.known());
      }
      expect("known at last", MAX_KNOWN, script.known().size());
    }
  }

  private static void tooLarge() throws Exception {
    try (Script script = new Script(
        stream(RECONNECT, upserted(1, "a"), upserted(2, "a"), SYNCED),
        stream(TOO_LARGE),
        stream(RECONNECT, upserted(1, "a"), upserted(3, "a"), SYNCED),
        stream(TOO_LARGE))) {
      expect("events", List.of(
          "upserted 1", "upserted 2", "synced", "interrupted UNAVAILABLE RECONNECT",
          "interrupted RESOURCE_EXHAUSTED REQUEST_TOO_LARGE",
          "upserted 3", "removed 2", "synced", "interrupted UNAVAILABLE RECONNECT",
          "ended RESOURCE_EXHAUSTED REQUEST_TOO_LARGE"), script.recording.next(10));
      for (List<String> known : List.of(
          List.<String>of(), List.of("1=a", "2=a"), List.<String>of(), List.<String>of())) {
        expect("known", known, script.known());
      }
    }
  }

  private static void closeWithin() throws Exception {
    CompletableFuture<InboxWatch> watch = new CompletableFuture<>();
    Recording closing = new Recording() {
      @Override
      public void onRemoved(long inboxId) {
        super.onRemoved(inboxId);
        watch.join().close();
      }
    };
    try (Script script = new Script(closing,
        stream(RECONNECT, upserted(1, "a"), upserted(2, "a"), SYNCED),
        stream(TOO_LARGE),
        stream(null, SYNCED))) {
      watch.complete(script.watch);
      expect("upserted", 2, closing.upserted());
      closing.next(2);
      expect("removed", true, closing.next().startsWith("removed"));
      expect("quiet", true, closing.isQuiet(WatchIdioms.SHORT));
    }
  }

  private static void expired() throws Exception {
    try (Script script = new Script(
        stream(EXPIRED, SYNCED), stream(EXPIRED, SYNCED), stream(EXPIRED), stream(EXPIRED))) {
      String interrupted = "interrupted UNAUTHENTICATED CREDENTIALS_EXPIRED";
      expect("events", List.of("synced", interrupted, "synced", interrupted,
          "ended UNAUTHENTICATED CREDENTIALS_EXPIRED"), script.recording.next(5));
    }
  }

  private static void expiredCertificate() throws Exception {
    long before = System.nanoTime();
    try (Script script = new Script(
        stream(CERTIFICATE_EXPIRED), stream(CERTIFICATE_EXPIRED), stream(null, SYNCED))) {
      String interrupted = "interrupted UNAUTHENTICATED CREDENTIALS_EXPIRED";
      expect("events", List.of(interrupted, interrupted, "synced"), script.recording.next(3));
      long millis = (System.nanoTime() - before) / 1_000_000;
      expect("4 s or more, got " + millis, true, millis >= 4000);
    }
  }

  // A failure before does not count.
  private static void atOnce() throws Exception {
    try (Script script = new Script(
        stream(broken(Status.Code.UNAVAILABLE)),
        stream(error(Status.Code.UNAVAILABLE, "RECONNECT", 900)),
        stream(error(Status.Code.UNAVAILABLE, "SHUTTING_DOWN", 900)),
        stream(null, SYNCED))) {
      script.recording.next(2);
      List<Boolean> waits = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        long before = System.nanoTime();
        script.recording.next();
        waits.add((System.nanoTime() - before) / 1_000_000 >= 850);
      }
      expect("waits", List.of(false, true), waits);
    }
  }

  // The last stream is silent.
  private static void notRenewed(Script script) throws Exception {
    expect("events", List.of(
        "synced", "interrupted UNAUTHENTICATED CREDENTIALS_EXPIRED", "interrupted UNAVAILABLE"),
        script.recording.next(3));
    expect("end", "ended UNAUTHENTICATED CREDENTIALS_EXPIRED",
        script.recording.next(RENEWAL_TIMEOUT));
    expect("streams", 3, script.requests.size());
  }

  private static void waits() throws Exception {
    try (Script script = new Script(
        stream(error(Status.Code.UNAVAILABLE, "SHUTTING_DOWN", 900), SYNCED),
        stream(error(Status.Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES", 300)),
        stream(error(Status.Code.UNAUTHENTICATED, "CREDENTIALS_EXPIRED", 300)),
        stream(null, SYNCED))) {
      long before = System.nanoTime();
      expect("event", "synced", script.recording.next());
      expect("event", "interrupted UNAVAILABLE SHUTTING_DOWN", script.recording.next());
      expect("event", "interrupted RESOURCE_EXHAUSTED TOO_MANY_WATCHES", script.recording.next());
      expect("event", "interrupted UNAUTHENTICATED CREDENTIALS_EXPIRED", script.recording.next());
      expect("event", "synced", script.recording.next());
      long millis = (System.nanoTime() - before) / 1_000_000;
      expect("600 ms or more, got " + millis, true, millis >= 600);
    }
  }

  private static void ends() throws Exception {
    for (Throwable error : List.of(
        TOO_LARGE,
        error(Status.Code.INTERNAL, "INTERNAL", 0),
        broken(Status.Code.UNIMPLEMENTED),
        broken(Status.Code.FAILED_PRECONDITION),
        broken(Status.Code.INVALID_ARGUMENT),
        broken(Status.Code.NOT_FOUND),
        error(Status.Code.UNAUTHENTICATED, "CREDENTIALS_INVALID", 0))) {
      try (Script script = new Script(stream(error, SYNCED))) {
        script.recording.next();
        expect("end by " + error.getMessage(), true,
            script.recording.next().startsWith("ended " + Status.fromThrowable(error).getCode()));
        expect("streams", 1, script.requests.size());
      }
    }
  }
}
