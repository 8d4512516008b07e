// The mode idioms: what the cases cannot see of the API for Java.

package io.leadchat.inbox.conformance;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxException;
import io.leadchat.inbox.Reason;
import io.leadchat.inbox.v1.ErrorReason;
import io.leadchat.inbox.v1.GetInboxRequest;
import io.leadchat.inbox.v1.GetInboxResponse;
import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.ListInboxesRequest;
import io.leadchat.inbox.v1.Role;
import io.leadchat.inbox.v1.Viewer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Runs all checks, also those of the other classes of idioms. */
final class Idioms {
  static final GetInboxRequest REQUEST = GetInboxRequest.newBuilder()
      .setAccountId(1).setInboxId(3).setViewer(Viewer.newBuilder().setUserId(1)).build();
  static final GetInboxRequest MISSING = REQUEST.toBuilder().setInboxId(99).build();
  private static final ListInboxesRequest LIST = ListInboxesRequest.newBuilder()
      .setAccountId(1).setViewer(REQUEST.getViewer()).setPageSize(2).build();
  private static final int INBOXES = 13;
  // A google.rpc.Status with the reason FROM_THE_FUTURE.
  private static final byte[] FUTURE = Base64.getDecoder().decode(
      "CAkSB25vdCB5ZXQaWwoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm9ySW5mbxIvCg9GUk9NX1RI"
          + "RV9GVVRVUkUSDmluYm94LmxlYWRjaGF0GgwKBmNhbGxlchICbWU=");

  private final Servers servers;

  Idioms(Servers servers) {
    this.servers = servers;
  }

  /** A check, which throws a {@link Problem} if it fails. */
  interface Check {
    void run() throws Exception;
  }

  /** A failed check. */
  static final class Problem extends RuntimeException {
    private static final long serialVersionUID = 1;

    Problem(String text) {
      super(text);
    }
  }

  static void check(String name, Check check) {
    String problem = null;
    try {
      check.run();
    } catch (Problem e) {
      problem = e.getMessage();
    } catch (Exception e) {
      problem = "expected no such exception, got " + e;
    }
    Main.print("idioms/" + name, "-", problem);
  }

  static void expect(String text, Object expected, Object got) {
    if (!expected.equals(got)) {
      throw new Problem(text + ": expected " + expected + ", got " + got);
    }
  }

  static <E extends Throwable> E thrown(Class<E> type, Callable<?> call) throws Exception {
    Object got;
    try {
      got = call.call();
    } catch (Throwable e) {
      if (type.isInstance(e)) {
        return type.cast(e);
      }
      throw e;
    }
    throw new Problem("expected " + type.getSimpleName() + ", got " + got);
  }

  void run() throws Exception {
    runCalls();
    new WatchIdioms(servers).run();
    // The other checks run meanwhile, as none of them counts threads.
    try (ResumptionIdioms.Script unrenewed = ResumptionIdioms.unrenewed()) {
      new CredentialIdioms(servers).run();
      ResumptionIdioms.run(unrenewed);
    }
  }

  private void runCalls() throws Exception {
    try (InboxClient client = servers.plain()) {
      check("errors/switch-by-reason", () -> switchByReason(client));
      check("errors/other-reason", Idioms::otherReason);
      check("errors/first-details", Idioms::firstDetails);
      check("errors/all-reasons-of-the-contract", Idioms::allReasons);
      check("errors/damaged-details", Idioms::damagedDetails);
      check("errors/from-the-library", Idioms::fromTheLibrary);
      check("errors/message-in-one-line", () -> message(client));
      check("errors/of-the-stub", () -> ofTheStub(client));
      check("pages/stream-stops-early", () -> stopsEarly(client));
      check("pages/iterator-is-lazy", () -> iteratorIsLazy(client));
      check("pages/pages-say-the-role", () -> pagesSayTheRole(client));
      check("pages/error-on-the-way", () -> errorOnTheWay(client));
      check("messages/oneof-switch", () -> oneofSwitch(client));
      check("messages/unknown-enum", Idioms::unknownEnum);
      check("deadline/default", () -> defaultDeadline(client));
      check("deadline/own-time-out", () -> ownTimeout(client));
      check("deadline/own-deadline-of-the-stub", () -> stubDeadline(client));
      check("deadline/own-deadline-of-the-context", () -> contextDeadline(client));
      check("limits/largest-response", this::largestResponse);
      check("threads/one-client-for-all", () -> threads(client));
      check("close/derived-client-closes-nothing", () -> derivedClose(client));
    }
    check("close/ends-quickly", this::close);
  }

  private static void switchByReason(InboxClient client) throws Exception {
    InboxException error = thrown(InboxException.class, () -> client.get(MISSING));
    switch (error.reason()) {
      case INBOX_NOT_FOUND:
        expect("code", Status.Code.NOT_FOUND, error.code());
        expect("cause", StatusRuntimeException.class, error.getCause().getClass());
        expect("no delay", true, error.retryDelay().isEmpty());
        break;
      default:
        throw new Problem("expected INBOX_NOT_FOUND, got " + error.reason());
    }
  }

  private static void otherReason() {
    InboxException error = InboxException.of(Status.Code.FAILED_PRECONDITION, "not yet", FUTURE);
    expect("reason", Reason.OTHER, error.reason());
    expect("text", "FROM_THE_FUTURE", error.reasonText());
    expect("known", false, error.reason().isKnown());
    expect("metadata", "me", error.metadata().get("caller"));
  }

  private static InboxException of(Message... details) {
    com.google.rpc.Status.Builder status = com.google.rpc.Status.newBuilder();
    for (Message detail : details) {
      status.addDetails(Any.pack(detail));
    }
    return InboxException.of(Status.Code.UNAVAILABLE, "later", status.build().toByteArray());
  }

  private static ErrorInfo info(String domain, String reason, String key) {
    return ErrorInfo.newBuilder().setDomain(domain).setReason(reason).putMetadata(key, "").build();
  }

  // A proxy may add details before those of the service, and after them.
  private static void firstDetails() {
    BadRequest.Builder fields = BadRequest.newBuilder();
    fields.addFieldViolationsBuilder().setField("viewer");
    RetryInfo.Builder delay = RetryInfo.newBuilder();
    delay.getRetryDelayBuilder().setSeconds(1);
    InboxException error = of(
        info("proxy.example", "QUOTA", "proxy"), fields.build(), delay.build(),
        info("inbox.leadchat", "OVERLOADED", "first"), info("inbox.leadchat", "INTERNAL", "second"),
        fields.build(), RetryInfo.getDefaultInstance());
    expect("reason", Reason.OVERLOADED, error.reason());
    expect("metadata", Set.of("first"), error.metadata().keySet());
    expect("fields", 2, error.fields().size());
    expect("delay", Optional.of(Duration.ofSeconds(1)), error.retryDelay());
    expect("an empty reason", Reason.NONE,
        of(info("inbox.leadchat", "", "first"), info("inbox.leadchat", "INTERNAL", "second"))
            .reason());
  }

  private static void allReasons() {
    List<String> contract = ErrorReason.getDescriptor().getValues().stream()
        .filter(value -> value.getNumber() != 0)
        .map(value -> value.getName().substring("ERROR_REASON_".length()))
        .collect(Collectors.toList());
    List<String> client = Arrays.stream(Reason.values())
        .filter(Reason::isKnown).map(Reason::name).collect(Collectors.toList());
    expect("reasons", contract, client);
  }

  private static void damagedDetails() {
    InboxException error = InboxException.of(Status.Code.INTERNAL, "text", new byte[] {1, 2, 3});
    expect("reason", Reason.NONE, error.reason());
    expect("text", "", error.reasonText());
    expect("message", "INTERNAL: text", error.getMessage());
  }

  private static void fromTheLibrary() throws Exception {
    // Nothing listens on port 1; retries go on until the deadline.
    try (InboxClient nobody = InboxClient.builder("127.0.0.1:1").build()) {
      InboxException error = thrown(InboxException.class,
          () -> nobody.withTimeout(Duration.ofMillis(300)).get(REQUEST));
      expect("reason", Reason.NONE, error.reason());
      expect("code", Status.Code.DEADLINE_EXCEEDED, error.code());
    }
  }

  private static void message(InboxClient client) throws Exception {
    InboxException error =
        thrown(InboxException.class, () -> client.get(GetInboxRequest.getDefaultInstance()));
    expect("fields", true, error.fields().size() > 1);
    expect("message", "INVALID_ARGUMENT INVALID_REQUEST: " + error.description()
        + " (request id " + error.requestId().orElseThrow() + ")", error.getMessage());
  }

  private static void ofTheStub(InboxClient client) throws Exception {
    StatusRuntimeException error =
        thrown(StatusRuntimeException.class, () -> client.stub().getInbox(MISSING));
    expect("reason", Reason.INBOX_NOT_FOUND, InboxException.of(error).reason());
    expect("id", true, InboxException.of(error).requestId().isPresent());
  }

  /** Records the options of each call. */
  static final class Recorder implements ClientInterceptor {
    final List<CallOptions> calls = Collections.synchronizedList(new ArrayList<>());

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(
        MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      calls.add(options);
      return next.newCall(method, options);
    }

    InboxClient in(InboxClient client) {
      return client.with(stub -> stub.withInterceptors(this));
    }
  }

  private static void stopsEarly(InboxClient client) {
    Recorder recorder = new Recorder();
    expect("inboxes", 3L, recorder.in(client).inboxes(LIST).limit(3).count());
    expect("calls", 2, recorder.calls.size());
    expect("all", (long) INBOXES, recorder.in(client).inboxes(LIST).count());
    expect("calls", 2 + (INBOXES + 1) / 2, recorder.calls.size());
  }

  private static void iteratorIsLazy(InboxClient client) {
    Recorder recorder = new Recorder();
    Iterator<Inbox> inboxes = recorder.in(client).inboxes(LIST).iterator();
    expect("calls before the first inbox", 0, recorder.calls.size());
    inboxes.next();
    inboxes.next();
    expect("calls for one page", 1, recorder.calls.size());
    inboxes.next();
    expect("calls for two pages", 2, recorder.calls.size());
  }

  private static void pagesSayTheRole(InboxClient client) {
    expect("roles", List.of(Role.ROLE_ADMINISTRATOR), client.pages(LIST)
        .map(page -> page.getDisclosedAs()).distinct().collect(Collectors.toList()));
  }

  private static void errorOnTheWay(InboxClient client) throws Exception {
    ListInboxesRequest bad = LIST.toBuilder().setPageToken("bad").build();
    InboxException error =
        thrown(InboxException.class, () -> client.inboxes(bad).findFirst());
    expect("reason", Reason.INVALID_PAGE_TOKEN, error.reason());
  }

  private static void oneofSwitch(InboxClient client) {
    Inbox inbox = client.get(REQUEST).getInbox();
    switch (inbox.getChannelCase()) {
      case EMAIL:
        expect("email", "hello@paperlantern.example", inbox.getEmail().getEmail());
        break;
      case CHANNEL_NOT_SET:
      default:
        throw new Problem("expected EMAIL, got " + inbox.getChannelCase());
    }
    expect("absent", false, inbox.hasHelpCenter());
  }

  private static void unknownEnum() throws Exception {
    GetInboxResponse later = GetInboxResponse.parseFrom(
        GetInboxResponse.newBuilder().setDisclosedAsValue(99).build().toByteArray());
    expect("role", Role.UNRECOGNIZED, later.getDisclosedAs());
    expect("number", 99, later.getDisclosedAsValue());
  }

  /** Records the deadline that each call has at last. */
  private static final class Deadlines extends CallCredentials {
    final List<Optional<Deadline>> calls = Collections.synchronizedList(new ArrayList<>());

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
      calls.add(Optional.ofNullable(call.getCallOptions().getDeadline()));
      applier.apply(new Metadata());
    }

    static Optional<Long> seconds(InboxClient client) {
      Deadlines deadlines = new Deadlines();
      client.with(stub -> stub.withCallCredentials(deadlines)).get(REQUEST);
      return deadlines.calls.get(0)
          .map(deadline -> (long) Math.ceil(deadline.timeRemaining(TimeUnit.MILLISECONDS) / 1e3));
    }
  }

  private static void defaultDeadline(InboxClient client) {
    expect("seconds", Optional.of(5L), Deadlines.seconds(client));
  }

  private static void ownTimeout(InboxClient client) {
    InboxClient patient = client.withTimeout(Duration.ofSeconds(60));
    expect("seconds", Optional.of(60L), Deadlines.seconds(patient));
    expect("seconds of the next call", Optional.of(60L), Deadlines.seconds(patient));
  }

  private static void stubDeadline(InboxClient client) {
    InboxClient once = client.with(stub -> stub.withDeadlineAfter(60, TimeUnit.SECONDS));
    expect("seconds", Optional.of(60L), Deadlines.seconds(once));
  }

  private static void contextDeadline(InboxClient client) throws Exception {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    try {
      Context.CancellableContext context =
          Context.current().withDeadlineAfter(60, TimeUnit.SECONDS, timer);
      // The deadline of the context is no option of the call.
      expect("seconds", Optional.empty(), context.call(() -> Deadlines.seconds(client)));
      context.close();
    } finally {
      timer.shutdownNow();
    }
  }

  private void largestResponse() throws Exception {
    try (InboxClient client =
        InboxClient.builder(servers.address("plain")).maxResponseBytes(100).build()) {
      InboxException error = thrown(InboxException.class, () -> client.get(REQUEST));
      expect("code", Status.Code.RESOURCE_EXHAUSTED, error.code());
      expect("reason", Reason.NONE, error.reason());
    }
  }

  private static void threads(InboxClient client) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    try {
      List<Future<Long>> ids = new ArrayList<>();
      for (long id = 1; id <= INBOXES; id++) {
        GetInboxRequest request = REQUEST.toBuilder().setInboxId(id).build();
        ids.add(pool.submit(() -> client.get(request).getInbox().getId()));
      }
      for (int i = 0; i < INBOXES; i++) {
        expect("id", i + 1L, ids.get(i).get());
      }
    } finally {
      pool.shutdownNow();
    }
  }

  private static void derivedClose(InboxClient client) {
    client.withTimeout(Duration.ofSeconds(1)).close();
    expect("id", 3L, client.get(REQUEST).getInbox().getId());
  }

  private void close() throws Exception {
    long before = System.nanoTime();
    InboxClient client = servers.unix();
    client.get(REQUEST);
    client.close();
    expect("terminated", true, client.channel().isTerminated());
    expect("quickly", true, System.nanoTime() - before < Duration.ofMillis(4500).toNanos());
    expect("code", Status.Code.UNAVAILABLE,
        thrown(InboxException.class, () -> client.get(REQUEST)).code());
  }
}
