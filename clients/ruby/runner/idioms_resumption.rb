# frozen_string_literal: true

# The checks of how a watch goes on, with a server that ends its calls.

# A call of a script: its events, and the error at its end.
Step = Struct.new(:events, :error)

# A server that answers one watch after another.
class WatchScript < LeadchatInbox::V1::InboxService::Service
  # The numbers of inboxes that the calls have named, and the times of the calls.
  attr_reader :known, :times, :port

  def initialize(steps)
    super()
    @steps = steps
    @known = []
    @times = []
    @server = GRPC::RpcServer.new(pool_size: 2)
    @port = @server.add_http2_port("127.0.0.1:0", :this_port_is_insecure)
    @server.handle(self)
    @thread = Thread.new { @server.run }
    @server.wait_till_running
  end

  def watch_inboxes(request, _call)
    @known << request.known.size
    @times << Process.clock_gettime(Process::CLOCK_MONOTONIC)
    step = @steps.shift
    Enumerator.new do |events|
      step.events.each { |event| events << event }
      raise step.error if step.error
    end
  end

  # Returns the seconds between the calls.
  def waits = times.each_cons(2).map { |before, after| after - before }

  def close
    @server.stop
    @thread.join
  end
end

# Yields a watch of a script, and the script.
def with_script(*steps)
  script = WatchScript.new(steps)
  user = LeadchatInbox::Client.new("127.0.0.1:#{script.port}")
  yield user.watch(**WATCH), script
ensure
  user&.close
  script&.close
end

# Returns an error of the service. The credential is that of CREDENTIALS_EXPIRED.
def failed(code, reason, retry_delay: 0, credential: "authorization")
  info = Google::Rpc::ErrorInfo.new(domain: "inbox.leadchat", reason: reason, metadata: { "credential" => credential })
  delay = Google::Rpc::RetryInfo.new(retry_delay: Google::Protobuf::Duration.new(seconds: retry_delay))
  details = [info, delay].map { |detail| Google::Protobuf::Any.pack(detail) }
  status = Google::Rpc::Status.new(details: details).to_proto
  GRPC::BadStatus.new(GRPC::Core::StatusCodes.const_get(code), "text", { "grpc-status-details-bin" => status })
end

def upserted(id) = V1::WatchInboxesResponse.new(upserted: { id: id, etag: "a" })

def synced = V1::WatchInboxesResponse.new(synced: {})

RESUMPTION_IDIOMS = {
  "watch/goes-on-after-the-deadline-of-the-server" => lambda {
    ended = failed(:DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    with_script(Step.new([], ended), Step.new([synced])) { |watch, _| expect(%w[synced], words(batch(watch))) }
  },
  "watch/names-none-after-a-request-too-large" => lambda {
    too_large = Step.new([], failed(:RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE"))
    reconnect = failed(:UNAVAILABLE, "RECONNECT")
    all = Step.new([upserted(1), upserted(2), synced], reconnect)
    again = Step.new([upserted(1), upserted(3), synced], reconnect)
    with_script(all, too_large, again, too_large) do |watch, script|
      events = watch.each
      seen = words(Array.new(6) { events.next })
      error = error_of { events.next }
      expect([%w[+1 +2 synced +3 -2 synced], Reason::REQUEST_TOO_LARGE, [0, 2, 0, 0]],
             [seen, error.reason, script.known])
    end
  },
  "watch/removals-one-by-one" => lambda {
    all = Step.new([*(1..4).map { |id| upserted(id) }, synced], failed(:UNAVAILABLE, "RECONNECT"))
    too_large = Step.new([], failed(:RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE"))
    again = Step.new([upserted(1), synced])
    with_script(all, too_large, again, again) do |watch, _|
      batch(watch)
      removed = watch.first(1)
      rest = []
      watch.each do |event|
        rest << event
        watch.close
      end
      expect([%w[-2], %w[-3]], [words(removed), words(rest)])
    end
  },
  "watch/waits-for-a-new-certificate" => lambda {
    expired = failed(:UNAUTHENTICATED, "CREDENTIALS_EXPIRED", credential: "certificate")
    with_script(Step.new([], expired), Step.new([], expired), Step.new([synced])) do |watch, script|
      seen = words(batch(watch))
      expect([%w[synced], [true, true]], [seen, script.waits.map { |wait| wait > 1.9 }])
    end
  },
  "watch/waits-unless-it-may-go-on-at-once" => lambda {
    reconnect, shutting_down = %w[RECONNECT SHUTTING_DOWN].map { |name| failed(:UNAVAILABLE, name, retry_delay: 1) }
    expired = failed(:UNAUTHENTICATED, "CREDENTIALS_EXPIRED", retry_delay: 1)
    steps = [Step.new([], reconnect), Step.new([], shutting_down), Step.new([synced], reconnect)]
    with_script(*steps, Step.new([], expired), Step.new([synced])) do |watch, script|
      events = watch.each
      2.times { events.next }
      expect([false, true, false, true], script.waits.map { |wait| wait > 0.95 })
    end
  }
}.freeze
