// An observer for checks.

package io.leadchat.inbox.conformance;

import io.leadchat.inbox.InboxException;
import io.leadchat.inbox.WatchObserver;
import io.leadchat.inbox.conformance.Idioms.Problem;
import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.Role;
import io.leadchat.inbox.v1.SecretGroup;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Keeps the events as texts, such as {@code upserted 3} and {@code ended NOT_FOUND}. */
class Recording implements WatchObserver {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);

  private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
  private volatile Role role;

  /** Returns the next event. */
  String next() throws InterruptedException {
    return next(TIMEOUT);
  }

  /** Returns the next event, if it comes in this time. */
  String next(Duration timeout) throws InterruptedException {
    String event = events.poll(timeout.toMillis(), TimeUnit.MILLISECONDS);
    if (event == null) {
      throw new Problem("expected an event, got none");
    }
    return event;
  }

  /** Returns the next events. */
  List<String> next(int count) throws InterruptedException {
    List<String> next = new ArrayList<>();
    while (next.size() < count) {
      next.add(next());
    }
    return next;
  }

  /** Returns the number of upserted before the next event of another kind. */
  int upserted() throws InterruptedException {
    int upserted = 0;
    while (next().startsWith("upserted")) {
      upserted++;
    }
    return upserted;
  }

  /** Returns whether there was no event for this time. */
  boolean isQuiet(Duration time) throws InterruptedException {
    return events.poll(time.toMillis(), TimeUnit.MILLISECONDS) == null;
  }

  Role role() {
    return role;
  }

  @Override
  public void onUpserted(Inbox inbox, Role role, List<SecretGroup> withheld) {
    this.role = role;
    events.add("upserted " + inbox.getId());
  }

  @Override
  public void onRemoved(long inboxId) {
    events.add("removed " + inboxId);
  }

  @Override
  public void onSynced(Instant readTime) {
    events.add("synced");
  }

  @Override
  public void onHeartbeat(Instant readTime) {
    events.add("heartbeat");
  }

  @Override
  public void onInterrupted(InboxException error) {
    events.add("interrupted " + text(error));
  }

  @Override
  public void onEnded(InboxException error) {
    events.add("ended " + text(error));
  }

  private static String text(InboxException error) {
    return (error.code() + " " + error.reasonText()).strip();
  }
}
