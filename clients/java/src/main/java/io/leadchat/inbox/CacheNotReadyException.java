// The error of a read of a cache that has not been filled yet.

package io.leadchat.inbox;

/**
 * A cache has not received all inboxes yet. The cause is the error that has interrupted its watch
 * last, or null.
 */
public final class CacheNotReadyException extends IllegalStateException {
  private static final long serialVersionUID = 1;

  CacheNotReadyException(InboxException interruption) {
    super("the cache is not ready: its watch has not received all inboxes yet", interruption);
  }
}
