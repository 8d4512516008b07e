// The receiver of the events of a watch.

package io.leadchat.inbox;

import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.Role;
import io.leadchat.inbox.v1.SecretGroup;
import java.time.Instant;
import java.util.List;

/**
 * Gets the events of a watch, one after another, on the thread of the watch. A method that takes
 * long delays the next event. The watch then misses states, and never the last one. An exception of
 * a method ends the watch; the handler of uncaught exceptions gets it.
 */
public interface WatchObserver {
  /**
   * An inbox is new to the client, or differs from what the client holds.
   *
   * @param inbox the inbox, as the viewer may see it
   * @param role the role that was applied
   * @param withheld the groups of secrets that the role allows, and the caller may not pass on
   */
  void onUpserted(Inbox inbox, Role role, List<SecretGroup> withheld);

  /** The viewer does not see the inbox of this id any more. */
  void onRemoved(long inboxId);

  /**
   * A batch has ended: the client holds what the viewer may see.
   *
   * @param readTime a time by the clock of the machine that answers. Of each inbox, the client
   *     holds what the viewer might see at some instant that is not before it
   */
  void onSynced(Instant readTime);

  /** Nothing has changed for 15 seconds. The time is as that of {@link #onSynced}. */
  void onHeartbeat(Instant readTime);

  /** The call has ended with this error, and the watch goes on by itself. */
  default void onInterrupted(InboxException error) {}

  /**
   * The watch has ended with this error, and nothing follows. After PERMISSION_DENIED or
   * UNAUTHENTICATED, the client has to forget what it holds. A watch that is closed ends without
   * this.
   */
  void onEnded(InboxException error);
}
