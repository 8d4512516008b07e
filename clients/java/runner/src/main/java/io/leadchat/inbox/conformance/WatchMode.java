// The mode watch: caches that watches keep, while rows change, a replica stops, rights are
// withdrawn and tokens expire.

package io.leadchat.inbox.conformance;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.leadchat.inbox.InboxCache;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxException;
import io.leadchat.inbox.Reason;
import io.leadchat.inbox.v1.Freshness;
import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.InboxDetail;
import io.leadchat.inbox.v1.ListInboxesRequest;
import io.leadchat.inbox.v1.ServiceViewer;
import io.leadchat.inbox.v1.Viewer;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** Runs the steps, each of which begins with a line on the standard input. */
final class WatchMode {
  private static final Viewer ADMINISTRATOR = Viewer.newBuilder().setUserId(1).build();
  private static final Viewer AGENT = Viewer.newBuilder().setUserId(2).build();
  private static final WatchInboxesRequest BASIC_OF_SERVICE = WatchInboxesRequest.newBuilder()
      .setAccountId(1)
      .setViewer(Viewer.newBuilder().setService(ServiceViewer.getDefaultInstance()))
      .setDetail(InboxDetail.INBOX_DETAIL_BASIC).build();
  private static final Duration READY = Duration.ofSeconds(20);
  // More than the interval of heartbeats.
  private static final Duration READ_TIME = Duration.ofSeconds(40);
  private static final Duration SAME = Duration.ofSeconds(10);
  private static final Duration FORGOTTEN = Duration.ofSeconds(20);
  private static final Duration RENEWED = Duration.ofSeconds(12);
  private static final Duration MAX_AGE = Duration.ofSeconds(17);
  private static final Duration EXPIRED = Duration.ofSeconds(30);
  private static final Duration INTERVAL = Duration.ofMillis(50);

  private final Servers servers;
  private final BufferedReader input =
      new BufferedReader(new InputStreamReader(System.in, UTF_8));

  WatchMode(Servers servers) {
    this.servers = servers;
  }

  void run() throws IOException, InterruptedException {
    try (InboxClient client = InboxClient.builder(servers.replicas()).build();
        InboxCache administrator = client.cache(request(ADMINISTRATOR));
        InboxCache agent = client.cache(request(AGENT))) {
      administrator.waitSynced(READY);
      agent.waitSynced(READY);
      Main.printReached("ready");
      await("compare");
      Instant since = Instant.now().plusSeconds(1);
      check("administrator", "replicas",
          () -> compare(client, administrator, ADMINISTRATOR, since));
      check("agent", "replicas", () -> compare(client, agent, AGENT, since));
      await("forget");
      check("forgets", "replicas", () -> {
        String problem = forgotten(agent, FORGOTTEN, Reason.ACCESS_DENIED);
        return problem == null ? kept(administrator) : problem;
      });
    }
    await("renew");
    try (InboxClient client = servers.tls("renewed"); InboxCache cache = open(client)) {
      check("renewed", "tls", () -> {
        Thread.sleep(RENEWED.toMillis());
        return kept(cache);
      });
    }
    await("expire");
    try (InboxClient client = servers.tls("expired"); InboxCache cache = open(client)) {
      check("expired", "tls", () -> forgotten(cache, EXPIRED, Reason.CREDENTIALS_EXPIRED));
    }
  }

  private static WatchInboxesRequest request(Viewer viewer) {
    return WatchInboxesRequest.newBuilder().setAccountId(1).setViewer(viewer).build();
  }

  private static InboxCache open(InboxClient client) throws InterruptedException {
    InboxCache cache = client.cache(BASIC_OF_SERVICE);
    cache.waitSynced(READY);
    Main.printReached("opened");
    return cache;
  }

  private void await(String line) throws IOException {
    String got = input.readLine();
    if (!line.equals(got)) {
      throw new IOException("expected the line " + line + ", got " + got);
    }
  }

  private static void check(String name, String endpoint, Callable<String> check) {
    String problem;
    try {
      problem = check.call();
    } catch (Exception e) {
      problem = "expected no such exception, got " + e;
    }
    Main.print("cache/" + name, endpoint, problem);
  }

  private static String compare(
      InboxClient client, InboxCache cache, Viewer viewer, Instant since) throws Exception {
    if (!becomes(READ_TIME, () -> cache.readTime().orElseThrow().isAfter(since))) {
      return "expected a read time after " + since + ", got " + cache.readTime().orElseThrow();
    }
    ListInboxesRequest request = ListInboxesRequest.newBuilder().setAccountId(1).setViewer(viewer)
        .setFreshness(Freshness.FRESHNESS_LATEST).build();
    Supplier<String> difference =
        () -> difference(client.inboxes(request).collect(Collectors.toList()), cache.list());
    return becomes(SAME, () -> difference.get() == null) ? null : difference.get();
  }

  // Both have the same order.
  private static String difference(List<Inbox> expected, List<Inbox> got) {
    for (int i = 0; i < Math.min(expected.size(), got.size()); i++) {
      if (!expected.get(i).equals(got.get(i))) {
        return "at " + i + ": expected inbox " + expected.get(i).getId() + " with the etag "
            + expected.get(i).getEtag() + ", got " + got.get(i).getId() + " with "
            + got.get(i).getEtag();
      }
    }
    return expected.size() == got.size()
        ? null : "expected " + expected.size() + " inboxes, got " + got.size();
  }

  private static String forgotten(InboxCache cache, Duration timeout, Reason reason)
      throws InterruptedException {
    if (!becomes(timeout, () -> cache.error().isPresent())) {
      return "expected the error " + reason + ", got none";
    }
    for (Callable<?> read : List.<Callable<?>>of(cache::list, () -> cache.get(1))) {
      try {
        return "expected the error " + reason + ", got " + read.call();
      } catch (InboxException e) {
        if (e.reason() != reason) {
          return "expected the error " + reason + ", got " + e.getMessage();
        }
      } catch (Exception e) {
        return "expected the error " + reason + ", got " + e;
      }
    }
    return null;
  }

  private static String kept(InboxCache cache) {
    Duration age = cache.age().orElseThrow();
    return cache.list().isEmpty() || age.compareTo(MAX_AGE) >= 0
        ? "expected inboxes younger than " + MAX_AGE + ", got " + cache.list().size() + " of " + age
        : null;
  }

  private static boolean becomes(Duration timeout, BooleanSupplier condition)
      throws InterruptedException {
    long end = System.nanoTime() + timeout.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() >= end) {
        return false;
      }
      Thread.sleep(INTERVAL.toMillis());
    }
    return true;
  }
}
