// The reasons of failed calls, as names for a switch.

package io.leadchat.inbox;

/**
 * The reason of a failed call: a value of {@code ErrorReason} without its prefix, {@link #OTHER} or
 * {@link #NONE}. The contract explains each of them.
 */
public enum Reason {
  /** The error is not one of the service: it comes from the library or a proxy. */
  NONE,
  /** This version does not know the reason. {@link InboxException#reasonText()} has it. */
  OTHER,
  INVALID_REQUEST,
  INVALID_PAGE_TOKEN,
  UNDECODABLE_REQUEST,
  REQUEST_TOO_LARGE,
  ACCESS_DENIED,
  ACCOUNT_SUSPENDED,
  INBOX_NOT_FOUND,
  DEADLINE_EXCEEDED,
  STORE_UNAVAILABLE,
  OVERLOADED,
  SHUTTING_DOWN,
  UNKNOWN_METHOD,
  INTERNAL,
  COMPRESSION_NOT_SUPPORTED,
  LATEST_ON_STANDBY,
  CREDENTIALS_MISSING,
  CREDENTIALS_INVALID,
  CREDENTIALS_EXPIRED,
  CALLER_UNKNOWN,
  CALLER_NOT_PERMITTED,
  CALLER_LIMIT_EXCEEDED,
  TOO_MANY_WATCHES,
  RECONNECT;

  /** Returns whether it is a reason of the contract that this version knows. */
  public boolean isKnown() {
    return this != NONE && this != OTHER;
  }

  static Reason of(String text) {
    if (text.isEmpty()) {
      return NONE;
    }
    for (Reason reason : values()) {
      if (reason.isKnown() && reason.name().equals(text)) {
        return reason;
      }
    }
    return OTHER;
  }
}
