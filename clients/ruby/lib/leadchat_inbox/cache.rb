# frozen_string_literal: true

# A cache of the inboxes that a viewer sees, kept by a watch.

module LeadchatInbox
  # A cache was read before its watch was synced for the first time. `cause` is the error of its
  # last call, if that has failed.
  class NotReadyError < StandardError
    def initialize(message = "the cache is not ready: its watch has not been synced yet") = super
  end

  # The inboxes that a viewer sees, kept by a watch in a thread of its own. It is safe for threads.
  #
  # During an outage it keeps what it holds, and `age` grows. When its watch ends, it forgets
  # everything, and each read raises the error: so after PERMISSION_DENIED, or UNAUTHENTICATED if
  # the credentials were not renewed. Its inboxes are shared: do not change them.
  #
  # A cache belongs to its process. After a fork, its reads raise ForkError.
  class InboxCache
    # The time in which `close` waits for the thread, in seconds.
    CLOSE_TIMEOUT = 5

    # A sigma at the end of a word.
    FINAL_SIGMA =
      /[\p{Cased}&&[^\p{Case_Ignorable}]]\p{Case_Ignorable}*\KΣ(?!\p{Case_Ignorable}*+\p{Cased})/
    private_constant :FINAL_SIGMA

    # Begins to watch. The arguments are those of `Client#watch`. The client stays open after the
    # cache is closed.
    def initialize(client, account_id:, viewer:, detail: :INBOX_DETAIL_FULL)
      @watch = client.watch(account_id: account_id, viewer: viewer, detail: detail)
      @pid = Process.pid
      @inboxes = {}
      @lock = Mutex.new
      @changed = ConditionVariable.new
      @thread = Thread.new { run }
    end

    # Returns the inbox, or nil if the viewer sees no such inbox.
    def get(id) = read { @inboxes[id] }

    # Returns all inboxes in the order of ListInboxes: by name in lower case, then by id.
    def list
      read { @list ||= @inboxes.values.sort_by { |inbox| [fold(inbox.name), inbox.id] }.freeze }
    end

    # Waits until the cache can be read. Raises NotReadyError after `timeout` seconds, and the
    # error of the watch if that has ended.
    def wait_synced(timeout)
      deadline = now + timeout
      @lock.synchronize do
        until @ready || @error || (left = deadline - now) <= 0
          @changed.wait(@lock, left)
        end
      end
      read { nil }
    end

    # Returns the time of the last `synced` or heartbeat, by the clock of the service; nil before.
    def read_time = read_at_any_time { @read_time }

    # Returns the seconds since `read_time`, by the clock of this machine; nil before the first
    # `synced`. While the watch works, they are below about 15 and the time between two reads of the
    # account by the service.
    def age = read_time&.then { |time| Time.now - time }

    # Returns the error that each read raises because the watch has ended; nil before. It is an
    # IOError after `close`.
    def error = @lock.synchronize { @error }

    # Ends the watch and its thread, and forgets everything.
    def close
      finish(IOError.new("the cache is closed"))
      @watch.close
      @thread.join(CLOSE_TIMEOUT) unless Thread.current == @thread
      nil
    end

    def inspect = "#<#{self.class} #{@watch.inspect}>"

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def read
      read_at_any_time do
        raise NotReadyError.new, cause: @watch.failure unless @ready

        yield
      end
    end

    # Also before the first `synced`.
    def read_at_any_time
      if Process.pid != @pid
        raise ForkError, "the cache was made before this process was forked; make one in this process"
      end

      @lock.synchronize do
        raise @error if @error

        yield
      end
    end

    def run
      @watch.each { |response| @lock.synchronize { apply(response) } }
    rescue StandardError => e
      finish(e)
    end

    def apply(response)
      return if @error

      case response.event
      when :upserted then change { @inboxes[response.upserted.id] = response.upserted }
      when :removed then change { @inboxes.delete(response.removed.inbox_id) }
      when :synced
        @read_time = response.synced.read_time.to_time
        @ready = true
        @changed.broadcast
      when :heartbeat then @read_time = response.heartbeat.read_time.to_time
      end
    end

    def change
      @list = nil
      yield
    end

    def finish(error)
      @lock.synchronize do
        @error ||= error
        @inboxes.clear
        @list = nil
        @changed.broadcast
      end
    end

    # The service knows the final sigma, and Ruby does not. Strings compare by code points.
    def fold(name) = name.gsub(FINAL_SIGMA, "ς").downcase
  end
end
