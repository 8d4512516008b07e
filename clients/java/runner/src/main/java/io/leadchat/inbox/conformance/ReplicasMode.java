// The mode replicas: calls to a list of replicas, one of which stops meanwhile.

package io.leadchat.inbox.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.leadchat.inbox.InboxClient;
import io.leadchat.inbox.InboxException;
import io.leadchat.inbox.v1.GetInboxRequest;
import io.leadchat.inbox.v1.Viewer;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** Four threads call until four seconds after the first calls. */
final class ReplicasMode {
  private static final int THREADS = 4;
  private static final int FIRST_CALLS = 20;
  private static final Duration TIME_AFTER_THEM = Duration.ofSeconds(4);
  private static final Duration PAUSE = Duration.ofMillis(2);
  private static final int PRINTED_PROBLEMS = 5;

  private final Servers servers;
  private final AtomicInteger calls = new AtomicInteger();
  private final Queue<String> problems = new ConcurrentLinkedQueue<>();
  private final CountDownLatch first = new CountDownLatch(FIRST_CALLS);
  private final AtomicBoolean ended = new AtomicBoolean();

  ReplicasMode(Servers servers) {
    this.servers = servers;
  }

  void run() throws InterruptedException {
    try (InboxClient client = InboxClient.builder(servers.replicas()).build()) {
      Thread[] threads = new Thread[THREADS];
      for (int i = 0; i < THREADS; i++) {
        threads[i] = new Thread(() -> loop(client.withTimeout(Duration.ofSeconds(5))));
        threads[i].start();
      }
      first.await();
      Main.printReached("ready");
      Thread.sleep(TIME_AFTER_THEM.toMillis());
      ended.set(true);
      for (Thread thread : threads) {
        thread.join();
      }
    }
    JsonArray texts = new JsonArray();
    problems.stream().limit(PRINTED_PROBLEMS).forEach(texts::add);
    JsonObject line = new JsonObject();
    line.addProperty("calls", calls.get());
    line.addProperty("failed", problems.size());
    line.add("problems", texts);
    Main.print(line);
  }

  private void loop(InboxClient client) {
    GetInboxRequest request = GetInboxRequest.newBuilder()
        .setAccountId(1).setInboxId(1).setViewer(Viewer.newBuilder().setUserId(1)).build();
    while (!ended.get()) {
      try {
        client.get(request);
      } catch (InboxException e) {
        problems.add(e.getMessage());
      }
      calls.incrementAndGet();
      first.countDown();
      try {
        Thread.sleep(PAUSE.toMillis());
      } catch (InterruptedException e) {
        return;
      }
    }
  }
}
