# frozen_string_literal: true

# A watch: the events of WatchInboxes, over as many calls as it takes.

module LeadchatInbox
  # The events of a watch, as `LeadchatInbox::V1::WatchInboxesResponse`. It begins with `each`. The
  # next `each` goes on where the last one has ended. One thread reads it, and any may close it.
  #
  # It goes on by itself with the differences to the events so far. `clients/README.md` has the
  # rule, in the section Watches. An error that ends the watch is raised by `each`, as an `Error`.
  class Watch
    include Enumerable

    # Three heartbeats: a call without any event for so long is broken.
    SILENCE = 45

    # The `Error` of the last call, until the next `synced`; or nil.
    attr_reader :failure

    # `Client#watch` makes watches.
    def initialize(client, connection, request)
      @client = client
      @connection = connection
      @request = Google::Protobuf.deep_copy(request)
      @holding = Holding.new(@request.known)
      @resumption = Resumption.new
      @lock = Mutex.new
      @closing = ConditionVariable.new
    end

    # Yields each event until the watch is closed, or returns an enumerator. It raises IOError
    # when the client is closed.
    def each(&block)
      return enum_for(:each) unless block

      @connection.keep(self) { read(&block) }
      self
    end

    # Ends the watch: its call, and an `each` that waits for the next event.
    def close
      @lock.synchronize do
        @closed = true
        @closing.signal
        stop
      end
      nil
    end

    def inspect = "#<#{self.class} #{@client.inspect}>"

    private

    def closed? = @lock.synchronize { @closed }

    def read(&block)
      until closed?
        @resumption.check
        error = attempt(&block)
        break if closed?

        @failure = error
        @holding.omit_known if error&.reason == Reason::REQUEST_TOO_LARGE
        delay = @resumption.delay(error, @request.known.any?)
        raise error if delay.nil?

        pause([delay, @resumption.left].min)
      end
    end

    def pause(delay)
      @lock.synchronize { @closing.wait(@lock, delay) if !@closed && delay.positive? }
    end

    # Makes one call. Returns its error, and nil if it has ended without.
    def attempt
      @silence = Silence.new { @operation&.cancel }
      responses = limited { open }
      return responses unless responses.is_a?(Enumerator)

      while (response = limited { responses.next })
        return response unless response.is_a?(V1::WatchInboxesResponse)

        synced if response.event == :synced
        @holding.receive(response) do |event|
          yield event
          return if closed?
        end
      end
    ensure
      @lock.synchronize { stop }
    end

    def synced
      @failure = nil
      @resumption.reset
    end

    # Returns an enumerator of the responses, or nil if the watch was closed.
    def open
      @request.known.replace(@holding.known)
      options = { metadata: @client.metadata, deadline: GRPC::Core::TimeConsts::INFINITE_FUTURE }
      operation = @client.stub.watch_inboxes(@request, return_op: true, **options)
      @lock.synchronize { @operation = operation unless @closed }
      @operation&.execute
    end

    # The call is cancelled if the block takes too long.
    def limited(&block)
      @silence.limit([SILENCE, @resumption.left].min) { rescued(&block) }
    end

    # Returns the value of the block, and nil after the last response, or the error of the call.
    def rescued
      yield
    rescue StopIteration
      nil
    rescue GRPC::BadStatus, GRPC::Core::CallError, Google::Protobuf::ParseError, SocketError => e
      Error.from_grpc(e, @operation&.metadata)
    rescue Error => e # Of a token.
      e
    end

    def stop
      @operation&.cancel
      @operation = nil
      @silence&.stop
    end
  end
end
