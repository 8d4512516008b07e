# frozen_string_literal: true

# What a watch has told its reader so far.

module LeadchatInbox
  # The inboxes that the reader of a watch holds, by their etags.
  class Holding
    # The largest number of inboxes that a request may name.
    MAX_KNOWN = 5000

    def initialize(known)
      @etags = known.to_h { |each| [each.inbox_id, each.etag] }
      @missing = {}
    end

    # To be called if a request was too large: from now on, `known` is empty.
    def omit_known = @omits_known = true

    # Returns `known` of the next call.
    def known
      omits_known = @omits_known || @etags.size > MAX_KNOWN
      # Of a call that names no inbox: those that it has not sent again so far.
      @missing = omits_known ? @etags.transform_values { true } : {}
      return [] if omits_known

      @etags.map { |id, etag| V1::KnownInbox.new(inbox_id: id, etag: etag) }
    end

    # Yields the events that the reader gets for one that was received. The block may end it.
    def receive(response, &block)
      case response.event
      when :upserted then return unless news?(response.upserted)
      when :removed then forget(response.removed.inbox_id)
      when :synced then remove_missing(response, &block)
      end
      yield response
    end

    private

    # Notes the etag. Returns whether it is another one.
    def news?(inbox)
      @missing.delete(inbox.id)
      return false if @etags[inbox.id] == inbox.etag

      @etags[inbox.id] = inbox.etag
      true
    end

    def remove_missing(synced)
      @missing.keys.each do |id|
        forget(id)
        yield V1::WatchInboxesResponse.new(removed: V1::InboxRemoved.new(inbox_id: id),
                                           disclosed_as: synced.disclosed_as,
                                           caller_withheld: synced.caller_withheld.to_a)
      end
    end

    def forget(id)
      @missing.delete(id)
      @etags.delete(id)
    end
  end
end
