// The decision whether and when a watch goes on after its call has ended.

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
  // The service ends a connection within a second after it has refused its certificate. A call on
  // it would present the old one again.
  private static final Duration CERTIFICATE_DELAY = Duration.ofSeconds(2);
  // The backoff is at its maximum before.
  private static final int MAX_DOUBLINGS = 10;

  private final boolean hasDeadline;
  private int failures;
  // Whether there was a call at once after the end of another.
  private boolean wasAtOnce;
  // The first error of credentials that have expired; null if none have.
  private InboxException expired;
  // Of System.nanoTime.
  private long renewalEnd;

  /** The deadline is one that the client has set for the watch. */
  Resumption(boolean hasDeadline) {
    this.hasDeadline = hasDeadline;
  }

  void synced() {
    failures = 0;
    wasAtOnce = false;
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

  /** Returns whether it is of a certificate, which is presented once for each connection. */
  static boolean isOfCertificate(InboxException error) {
    return "certificate".equals(error.metadata().get("credential"));
  }

  /**
   * Returns the time until the next call; none if the watch ends with this error. The flag is
   * whether the last call named inboxes.
   */
  Optional<Duration> delay(InboxException error, boolean hasKnown) {
    switch (error.reason()) {
      case CREDENTIALS_EXPIRED:
        return renewal(error);
      case REQUEST_TOO_LARGE:
        return hasKnown ? Optional.of(backoff(error)) : Optional.empty();
      case RECONNECT:
      case SHUTTING_DOWN:
        if (wasAtOnce) {
          return Optional.of(backoff(error));
        }
        wasAtOnce = true;
        return Optional.of(Duration.ZERO);
      default:
        return isTransient(error) ? Optional.of(backoff(error)) : Optional.empty();
    }
  }

  private Optional<Duration> renewal(InboxException error) {
    boolean isCertificate = isOfCertificate(error);
    if (expired == null) {
      expired = error;
      renewalEnd = System.nanoTime() + RENEWAL.toNanos();
    } else if (!isCertificate || error == expired) {
      // The first error comes again when it is overdue.
      return Optional.empty();
    }
    // Each replica may have a connection with the old certificate.
    return Optional.of(isCertificate ? CERTIFICATE_DELAY : backoff(error));
  }

  private boolean isTransient(InboxException error) {
    switch (error.code()) {
      case UNAVAILABLE:
      case RESOURCE_EXHAUSTED:
        return true;
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

  // After the delay of the service, between a half and the whole of the interval, so that clients
  // spread.
  private Duration backoff(InboxException error) {
    long interval = Math.min(
        MIN_BACKOFF.toMillis() << Math.min(failures, MAX_DOUBLINGS), MAX_BACKOFF.toMillis());
    failures++;
    return error.retryDelay().orElse(Duration.ZERO)
        .plusMillis(ThreadLocalRandom.current().nextLong(interval / 2, interval + 1));
  }
}
