// The decision whether and when a watch goes on after its stream has ended.

package io.leadchat.inbox;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/** The failures since the last {@code synced}. */
final class Resumption {
  private static final Duration MIN_BACKOFF = Duration.ofMillis(100);
  private static final Duration MAX_BACKOFF = Duration.ofSeconds(10);
  // The time for a synced after CREDENTIALS_EXPIRED. Until an expired certificate is renewed,
  // handshakes fail as UNAVAILABLE.
  private static final Duration RENEWAL = Duration.ofSeconds(30);
  // The backoff is at its maximum before.
  private static final int MAX_DOUBLINGS = 10;

  private final boolean hasDeadline;
  private int failures;
  // The error of credentials that have expired since; null if none have.
  private InboxException expired;
  // Of System.nanoTime.
  private long renewalEnd;

  /** The deadline is one that the client has set for the watch. */
  Resumption(boolean hasDeadline) {
    this.hasDeadline = hasDeadline;
  }

  void synced() {
    failures = 0;
    expired = null;
  }

  /** Returns the smaller of a time and what is left for the next synced. */
  Duration limit(Duration time) {
    if (expired == null) {
      return time;
    }
    // Rounded up, so that nothing is left after it.
    Duration left = Duration.ofMillis((renewalEnd - System.nanoTime()) / 1_000_000 + 1);
    return left.compareTo(time) < 0 ? left : time;
  }

  /** Returns CREDENTIALS_EXPIRED if the credentials were not renewed in time. */
  Optional<InboxException> overdue() {
    return Optional.ofNullable(expired).filter(error -> System.nanoTime() - renewalEnd >= 0);
  }

  /** Returns the time until the next stream; none if the watch ends with this error. */
  Optional<Duration> delay(InboxException error) {
    if (error.reason() == Reason.CREDENTIALS_EXPIRED && expired == null) {
      expired = error;
      renewalEnd = System.nanoTime() + RENEWAL.toNanos();
      return Optional.of(Duration.ZERO);
    }
    if (!isTransient(error)) {
      return Optional.empty();
    }
    failures++;
    boolean isLeaving =
        error.reason() == Reason.RECONNECT || error.reason() == Reason.SHUTTING_DOWN;
    return Optional.of(isLeaving && failures == 1
        ? Duration.ZERO
        : backoff().plus(error.retryDelay().orElse(Duration.ZERO)));
  }

  private boolean isTransient(InboxException error) {
    switch (error.code()) {
      case UNAVAILABLE:
        return true;
      case RESOURCE_EXHAUSTED:
        // The same request would fail again.
        return error.reason() != Reason.REQUEST_TOO_LARGE;
      case INTERNAL:
      case UNKNOWN:
      case CANCELLED:
        // A broken connection, and no answer of the service.
        return error.reason() == Reason.NONE;
      case DEADLINE_EXCEEDED:
        // The service did not begin the watch within its own limit.
        return !hasDeadline;
      default:
        return false;
    }
  }

  // Between a half and the whole of the interval, so that clients spread.
  private Duration backoff() {
    long interval = Math.min(
        MIN_BACKOFF.toMillis() << Math.min(failures - 1, MAX_DOUBLINGS), MAX_BACKOFF.toMillis());
    return Duration.ofMillis(ThreadLocalRandom.current().nextLong(interval / 2, interval + 1));
  }
}
