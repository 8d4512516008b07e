// The inboxes that the client of a watch holds, by etags.

package io.leadchat.inbox;

import io.leadchat.inbox.v1.Inbox;
import io.leadchat.inbox.v1.KnownInbox;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The etags of the inboxes that were upserted, without those that were removed. */
final class Held {
  /** The most inboxes that a request may have. */
  private static final int MAX_KNOWN = 5000;

  private final Map<Long, String> etags = new HashMap<>();
  // The inboxes that came again, while all do; null otherwise.
  private Set<Long> again;
  private boolean omitsKnown;

  Held(List<KnownInbox> known) {
    known.forEach(inbox -> etags.put(inbox.getInboxId(), inbox.getEtag()));
  }

  /** To be called if a request was too large: from now on, it names none. */
  void omitKnown() {
    omitsKnown = true;
  }

  /** Returns what the request of the next call has. If that is too much, all comes again. */
  List<KnownInbox> known() {
    if (omitsKnown || etags.size() > MAX_KNOWN) {
      again = new HashSet<>();
      return List.of();
    }
    again = null;
    return etags.entrySet().stream()
        .map(entry -> KnownInbox.newBuilder()
            .setInboxId(entry.getKey()).setEtag(entry.getValue()).build())
        .collect(Collectors.toList());
  }

  /** Returns whether it is news. */
  boolean upsert(Inbox inbox) {
    String before = etags.put(inbox.getId(), inbox.getEtag());
    return again == null || !again.add(inbox.getId()) || !inbox.getEtag().equals(before);
  }

  void remove(long id) {
    etags.remove(id);
  }

  /** Ends a batch. Returns the inboxes that did not come again, and are not held any more. */
  Set<Long> sync() {
    if (again == null) {
      return Set.of();
    }
    Set<Long> gone = new HashSet<>(etags.keySet());
    gone.removeAll(again);
    etags.keySet().retainAll(again);
    again = null;
    return gone;
  }
}
