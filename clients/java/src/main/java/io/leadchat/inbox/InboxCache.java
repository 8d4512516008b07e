// The visible inboxes, kept by a watch.

package io.leadchat.inbox;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.Role;
import io.leadchat.inbox.v1.SecretGroup;
import io.leadchat.inbox.v1.WatchInboxesRequest;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The inboxes that are visible to one viewer, kept by a watch in the background. It is safe for use
 * by several threads, and a read makes no call.
 *
 * <p>Until all inboxes have come, reads throw {@link CacheNotReadyException}. While the service
 * does not answer, the cache keeps what it holds, and {@link #age} grows. A right that was
 * withdrawn meanwhile has no effect yet. If the watch ends with an error, such as
 * PERMISSION_DENIED, the cache forgets everything, and reads throw that {@link InboxException}.
 * After {@link #close}, also that of the client, reads throw IllegalStateException.
 */
public final class InboxCache implements AutoCloseable {
  private final InboxWatch watch;
  private final Map<Long, Entry> entries = new HashMap<>();
  // The inboxes in their order; null after a change.
  private List<Inbox> ordered;
  private Instant readTime;
  private InboxException interruption;
  private InboxException error;

  InboxCache(InboxClient client, WatchInboxesRequest request) {
    watch = client.watch(request, new Observer(), this::forget);
  }

  /** Returns the inbox of an id; nothing if there is none that the viewer sees. */
  public synchronized Optional<Inbox> get(long inboxId) {
    checkReady();
    return Optional.ofNullable(entries.get(inboxId)).map(entry -> entry.inbox);
  }

  /** Returns all inboxes, ordered as {@link InboxClient#inboxes} does. The list never changes. */
  public synchronized List<Inbox> list() {
    checkReady();
    if (ordered == null) {
      ordered = entries.values().stream().sorted().map(entry -> entry.inbox)
          .collect(Collectors.toUnmodifiableList());
    }
    return ordered;
  }

  /**
   * Waits until reads are possible. Returns false if the time has passed before.
   *
   * @throws InboxException if the watch has ended with it
   */
  public synchronized boolean waitSynced(Duration timeout) throws InterruptedException {
    long end = System.nanoTime() + timeout.toNanos();
    while (readTime == null && error == null && !watch.isClosed()) {
      long millis = Duration.ofNanos(end - System.nanoTime()).toMillis();
      if (millis <= 0) {
        return false;
      }
      wait(millis);
    }
    checkReady();
    return true;
  }

  /**
   * Returns the read time of the last synced or heartbeat, by the clock of the machine that
   * answered; nothing before the first. Of each inbox, the cache holds what the viewer might see at
   * some instant that is not before it. After the end, it throws what the other reads throw.
   */
  public synchronized Optional<Instant> readTime() {
    checkNotEnded();
    return Optional.ofNullable(readTime);
  }

  /**
   * Returns the time since {@link #readTime}, by the clock of this machine; nothing before the
   * first synced. While the watch works, it is below about 15 s and the time between two reads of
   * the account by the service. After the end, it throws what the other reads throw.
   */
  public Optional<Duration> age() {
    return readTime().map(time -> Duration.between(time, Instant.now()));
  }

  /** Returns the error that the watch has ended with; nothing while it goes on. */
  public synchronized Optional<InboxException> error() {
    return Optional.ofNullable(error);
  }

  /** Ends the watch, and forgets everything. */
  @Override
  public void close() {
    watch.close();
  }

  private void checkReady() {
    checkNotEnded();
    if (readTime == null) {
      throw new CacheNotReadyException(interruption);
    }
  }

  private void checkNotEnded() {
    if (error != null) {
      throw error;
    }
    if (watch.isClosed()) {
      throw new IllegalStateException("the cache is closed");
    }
  }

  private synchronized void forget() {
    entries.clear();
    ordered = null;
    notifyAll();
  }

  private synchronized void end(InboxException error) {
    this.error = error;
    forget();
  }

  private synchronized void put(Inbox inbox) {
    entries.put(inbox.getId(), new Entry(inbox));
    ordered = null;
  }

  private synchronized void remove(long id) {
    entries.remove(id);
    ordered = null;
  }

  private synchronized void confirm(Instant time) {
    readTime = time;
    notifyAll();
  }

  private synchronized void interrupt(InboxException error) {
    interruption = error;
  }

  /** An inbox, and the key of its order. */
  private static final class Entry implements Comparable<Entry> {
    private static final Comparator<Entry> ORDER =
        Comparator.<Entry, byte[]>comparing(entry -> entry.name, Arrays::compareUnsigned)
            .thenComparing(entry -> entry.inbox.getId());

    final Inbox inbox;
    // In lower case. The order of bytes in UTF-8 is that of code points.
    private final byte[] name;

    Entry(Inbox inbox) {
      this.inbox = inbox;
      name = inbox.getName().toLowerCase(Locale.ROOT).getBytes(UTF_8);
    }

    @Override
    public int compareTo(Entry other) {
      return ORDER.compare(this, other);
    }
  }

  /** Keeps what the watch tells. */
  private final class Observer implements WatchObserver {
    @Override
    public void onUpserted(Inbox inbox, Role role, List<SecretGroup> withheld) {
      put(inbox);
    }

    @Override
    public void onRemoved(long inboxId) {
      remove(inboxId);
    }

    @Override
    public void onSynced(Instant time) {
      confirm(time);
    }

    @Override
    public void onHeartbeat(Instant time) {
      // The service sends none before the first end of a batch.
      confirm(time);
    }

    @Override
    public void onInterrupted(InboxException error) {
      interrupt(error);
    }

    @Override
    public void onEnded(InboxException error) {
      end(error);
    }
  }
}
