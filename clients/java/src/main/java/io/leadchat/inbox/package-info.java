/**
 * The client of leadchat-inbox, the service of leadchat's inboxes. {@link InboxClient} calls it;
 * failed calls throw {@link InboxException}. The messages are generated, in
 * {@code io.leadchat.inbox.v1}.
 */
package io.leadchat.inbox;
