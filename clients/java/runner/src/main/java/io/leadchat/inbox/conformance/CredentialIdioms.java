// The mode idioms, second part: certificates, tokens, and where they may be sent.

package io.leadchat.inbox.conformance;

import static io.leadchat.inbox.conformance.Idioms.REQUEST;
import static io.leadchat.inbox.conformance.Idioms.check;
import static io.leadchat.inbox.conformance.Idioms.expect;
import static io.leadchat.inbox.conformance.Idioms.thrown;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.grpc.Status;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxClientBuilder;
import io.leadchat.inbox.InboxException;
import io.leadchat.inbox.Reason;
import io.leadchat.inbox.v1.ExplainAccessRequest;
import io.leadchat.inbox.v1.FindInboxesRequest;
import io.leadchat.inbox.v1.GetInboxRequest;
import io.leadchat.inbox.v1.ServiceViewer;
import io.leadchat.inbox.v1.Viewer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/** Runs the checks of credentials. */
final class CredentialIdioms {
  private static final String SECRET = "s3cret-t0ken";
  private static final GetInboxRequest OF_TWO =
      REQUEST.toBuilder().setViewer(Viewer.newBuilder().setUserId(2)).build();
  private static final FindInboxesRequest FIND = FindInboxesRequest.newBuilder()
      .setViewer(Viewer.newBuilder().setService(ServiceViewer.getDefaultInstance()))
      .setDetailValue(1).setPhoneNumber("+19990000000").build();
  private static final ExplainAccessRequest EXPLAIN = ExplainAccessRequest.newBuilder()
      .setAccountId(1).setViewer(REQUEST.getViewer()).build();

  private final Servers servers;

  CredentialIdioms(Servers servers) {
    this.servers = servers;
  }

  void run() {
    check("credentials/plaintext-within-this-machine", CredentialIdioms::plaintext);
    check("credentials/unusable-files", this::unusableFiles);
    check("token/supplier-is-asked-for-each-call", this::tokenSupplier);
    check("token/supplier-fails", this::supplierFails);
    check("token/stripped-and-checked", this::checkedTokens);
    check("token/over-plaintext-within-this-machine", this::plaintextTokens);
    check("token/not-in-texts", this::notInTexts);
    check("viewer/client-for-each-viewer", this::viewers);
    check("certificate/renewed-file", this::renewedCertificate);
    check("replicas/each-with-its-own-name", this::replicasOverTls);
    check("replicas/server-name", this::serverName);
  }

  private static void plaintext() throws Exception {
    for (String address : List.of("192.0.2.1:50051", "inbox.example:50051", "[2001:db8::1]:1")) {
      expect("text", address + " is no loopback address, so it needs TLS",
          thrown(IllegalArgumentException.class, () -> InboxClient.builder(address).build())
              .getMessage());
      InboxClient.builder(address).tls().build().close();
    }
    for (String address : List.of("127.0.0.2:50051", "localhost:50051", "[::1]:50051")) {
      InboxClient.builder(address, address).build().close();
    }
    for (String address : List.of("localhost", "localhost:x", ":1", "")) {
      thrown(IllegalArgumentException.class, () -> InboxClient.builder(address).tls().build());
    }
    thrown(IllegalArgumentException.class, () -> InboxClient.builder().build());
    thrown(IllegalArgumentException.class, () -> InboxClient.builder("unix:/x").tls().build());
  }

  private void unusableFiles() throws Exception {
    Path certificate = servers.caller("dashboard", "certificate");
    Path other = servers.caller("sender", "key");
    Path missing = Path.of("missing.pem");
    for (Path key : List.of(other, certificate, missing)) {
      thrown(IllegalArgumentException.class,
          () -> InboxClient.builder("localhost:1").certificate(certificate, key).build());
    }
    for (Path ca : List.of(other, missing)) {
      thrown(IllegalArgumentException.class,
          () -> InboxClient.builder("localhost:1").tls(ca).build());
    }
    for (String ca : List.of("", "no certificate")) {
      thrown(IllegalArgumentException.class,
          () -> InboxClient.builder("localhost:1").tls(ca.getBytes(UTF_8)).build());
    }
  }

  private void tokenSupplier() throws Exception {
    Supplier<String> good = InboxClientBuilder.tokenFile(servers.caller("webhooks", "token"));
    AtomicInteger asked = new AtomicInteger();
    try (InboxClient client = tlsWithToken(
        () -> asked.incrementAndGet() == 1 ? SECRET : good.get())) {
      InboxException error = thrown(InboxException.class, () -> client.find(FIND));
      expect("reason", Reason.CREDENTIALS_INVALID, error.reason());
      expect("credential", "authorization", error.metadata().get("credential"));
      expect("inboxes", 0, client.find(FIND).getInboxesCount());
      expect("inboxes", 0, client.find(FIND).getInboxesCount());
      expect("asked", 3, asked.get());
    }
  }

  private InboxClient tlsWithToken(Supplier<String> token) {
    return InboxClient.builder(servers.address("tls")).tls(servers.ca()).token(token).build();
  }

  private void supplierFails() throws Exception {
    for (Supplier<String> token : List.<Supplier<String>>of(
        () -> null,
        () -> {
          throw new IllegalStateException(SECRET);
        })) {
      try (InboxClient client = tlsWithToken(token)) {
        InboxException error = thrown(InboxException.class, () -> client.find(FIND));
        expect("code", Status.Code.UNAUTHENTICATED, error.code());
        expect("reason", Reason.NONE, error.reason());
        expect("secret in the text", false, error.getMessage().contains(SECRET));
        expect("cause", true, error.getCause().getCause() instanceof RuntimeException);
      }
    }
  }

  private void checkedTokens() throws Exception {
    AtomicReference<String> token = new AtomicReference<>();
    try (InboxClient client = tlsWithToken(token::get)) {
      for (String bad :
          List.of("", " \n", "bad token", "bad\ntoken", "bad-t\u00f6ken", "bad\0token")) {
        token.set(bad);
        for (InboxClient each : List.of(client, client.withViewerToken(bad))) {
          InboxException error = thrown(InboxException.class, () -> each.find(FIND));
          expect("code", Status.Code.UNAUTHENTICATED, error.code());
          expect("reason", Reason.NONE, error.reason());
          Throwable cause = error.getCause().getCause();
          expect("cause", IllegalArgumentException.class, cause.getClass());
          expect("token in the texts", false, (error + " " + cause).contains("bad"));
        }
      }
      token.set("\t " + Files.readString(servers.caller("webhooks", "token")) + " \r\n");
      expect("inboxes", 0, client.find(FIND).getInboxesCount());
    }
  }

  private void plaintextTokens() {
    for (String endpoint : List.of("plain", "unix")) {
      try (InboxClient client =
          InboxClient.builder(servers.address(endpoint)).token(() -> SECRET).build()) {
        expect(endpoint, 3L, client.withViewerToken(SECRET).get(REQUEST).getInbox().getId());
      }
    }
  }

  private void notInTexts() throws Exception {
    InboxClientBuilder builder =
        InboxClient.builder(servers.address("tls")).tls(servers.ca()).token(() -> SECRET);
    try (InboxClient client = builder.build()) {
      InboxClient viewer = client.withViewerToken(SECRET);
      InboxException error = thrown(InboxException.class, () -> viewer.get(REQUEST));
      for (Object shown : List.of(
          builder, client, viewer, viewer.stub(), viewer.stub().getCallOptions(),
          error, error.getCause())) {
        expect(shown.getClass().getSimpleName(), false, shown.toString().contains(SECRET));
      }
    }
  }

  private void viewers() throws Exception {
    try (InboxClient client = servers.tls("dashboard")) {
      InboxClient one = client.withViewerToken(servers.viewerToken("1"));
      InboxClient two = one.withViewerToken(servers.viewerToken("2"));
      expect("one", 3L, one.get(REQUEST).getInbox().getId());
      expect("two", 3L, two.get(OF_TWO).getInbox().getId());
      InboxException error = thrown(InboxException.class, () -> one.get(OF_TWO));
      expect("needs of one", "viewer", error.metadata().get("needs"));
      error = thrown(InboxException.class, () -> client.get(REQUEST));
      expect("needs without a viewer", "viewer-token", error.metadata().get("needs"));
    }
  }

  private void renewedCertificate() throws Exception {
    Path folder = Files.createTempDirectory("renewed");
    Path certificate = folder.resolve("tls.pem");
    Path key = folder.resolve("tls.key");
    renew(servers.caller("sender", "certificate"), certificate);
    renew(servers.caller("sender", "key"), key);
    try (InboxClient first = InboxClient.builder(servers.address("tls"))
        .tls(servers.ca()).certificate(certificate, key).build()) {
      InboxClient client = first.withViewerToken(servers.viewerToken("1"));
      // The sender needs a token beside its certificate.
      InboxException error = thrown(InboxException.class, () -> client.explain(EXPLAIN));
      expect("reason", Reason.CREDENTIALS_MISSING, error.reason());

      renew(servers.caller("dashboard", "certificate"), certificate);
      client.channel().enterIdle();
      error = thrown(InboxException.class, () -> client.explain(EXPLAIN));
      expect("while the files do not match", Reason.CREDENTIALS_MISSING, error.reason());

      renew(servers.caller("dashboard", "key"), key);
      client.channel().enterIdle();
      expect("caller", "dashboard", client.explain(EXPLAIN).getCaller());
    } finally {
      Files.delete(certificate);
      Files.delete(key);
      Files.delete(folder);
    }
  }

  private static void renew(Path from, Path to) throws IOException {
    Path next = to.resolveSibling("next");
    Files.copy(from, next);
    Files.move(next, to, StandardCopyOption.ATOMIC_MOVE);
  }

  // The certificate is for both names; a shared name of the list would be that of the first.
  private void replicasOverTls() {
    try (InboxClient client = replicas().build()) {
      findSeveral(client);
    }
  }

  private void serverName() throws Exception {
    try (InboxClient client = replicas().serverName("localhost").build()) {
      findSeveral(client);
    }
    String address = servers.address("tls").replace("localhost", "127.0.0.1");
    for (InboxClientBuilder builder : List.of(replicas(), webhooks(address))) {
      try (InboxClient client = builder.serverName("other.example").build()) {
        expect("code", Status.Code.UNAVAILABLE,
            thrown(InboxException.class, () -> client.find(FIND)).code());
      }
    }
  }

  private InboxClientBuilder replicas() {
    String address = servers.address("tls");
    return webhooks(address, address.replace("localhost", "127.0.0.1"));
  }

  private InboxClientBuilder webhooks(String... addresses) {
    return InboxClient.builder(addresses).tls(servers.ca())
        .token(InboxClientBuilder.tokenFile(servers.caller("webhooks", "token")));
  }

  private static void findSeveral(InboxClient client) {
    for (int i = 0; i < 4; i++) {
      expect("inboxes", 0, client.find(FIND).getInboxesCount());
    }
  }
}
