# frozen_string_literal: true

# The checks of watches and caches, for the mode `idioms`.

WATCH = { account_id: 1, viewer: { user_id: 2 }, detail: :INBOX_DETAIL_BASIC }.freeze
# User 1 does not belong to account 2.
DENIED = { account_id: 2, viewer: { user_id: 1 } }.freeze

# Returns the events up to the next `synced`.
def batch(watch)
  events = []
  watch.each do |event|
    events << event
    break if event.event == :synced
  end
  events
end

# Returns each event in one word.
def words(events)
  events.map do |event|
    case event.event
    when :upserted then "+#{event.upserted.id}"
    when :removed then "-#{event.removed.inbox_id}"
    else event.event.to_s
    end
  end
end

def known(events)
  events.filter_map do |event|
    { inbox_id: event.upserted.id, etag: event.upserted.etag } if event.event == :upserted
  end
end

# Yields a client of a TCP proxy in front of the plain server, and the proxy.
def with_proxy
  proxy = WatchProxy.new(SERVERS["plain"]["address"])
  user = LeadchatInbox::Client.new("127.0.0.1:#{proxy.port}")
  yield user, proxy
ensure
  user&.close
  proxy&.close
end

# Returns the value of the block, and the seconds that it takes.
def timed
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  [yield, Process.clock_gettime(Process::CLOCK_MONOTONIC) - start]
end

# A TCP proxy. Its connections can be cut, and new ones refused. Without a target it is silent.
class WatchProxy
  attr_writer :refusing

  def initialize(target = nil)
    @server = TCPServer.new("127.0.0.1", 0)
    @sockets = Queue.new
    @thread = Thread.new { loop { accept(target) } }
  end

  def port = @server.addr[1]

  def cut
    end_of(@sockets.pop) until @sockets.empty?
  end

  def close
    @thread.kill
    @server.close
    cut
  end

  private

  def accept(target)
    here = @server.accept
    return here.close if @refusing

    @sockets << here
    return if target.nil?

    there = TCPSocket.new(*target.split(":"))
    @sockets << there
    [[here, there], [there, here]].each { |from, to| Thread.new { copy(from, to) } }
  end

  def copy(from, to)
    IO.copy_stream(from, to)
  rescue IOError, SystemCallError
    nil
  ensure
    end_of(to)
  end

  # Closing alone does not end a connection that another thread reads.
  def end_of(socket)
    socket.shutdown
  rescue IOError, SystemCallError
    nil
  ensure
    socket.close
  end
end

WATCH_IDIOMS = {
  "watch/each-and-break" => lambda {
    names = client("plain").watch(**WATCH).lazy.take_while { |event| event.event == :upserted }
                           .map { |event| [event.disclosed_as, event.upserted.name] }.to_a
    expect(["Website chat", "Customer mail", "Pick-up desk"].map { |name| [:ROLE_AGENT, name] }, names)
  },
  "watch/each-goes-on" => lambda {
    watch = client("plain").watch(**WATCH)
    expect([%w[+1 +3], %w[+7 synced], []], [words(watch.first(2)), words(batch(watch)), watch.close.to_a + watch.to_a])
  },
  "watch/external-enumerator" => lambda {
    before = Thread.list
    watch = client("plain").watch(**WATCH)
    events = watch.each
    seen = words(Array.new(4) { events.next })
    watch.close
    expect([%w[+1 +3 +7 synced], 0], [seen, (Thread.list - before).size])
  },
  "watch/several-at-once" => lambda {
    user = client("plain")
    seen = Array.new(8) { Thread.new { words(batch(user.watch(**WATCH))) } }.map(&:value)
    expect([%w[+1 +3 +7 synced]] * 8, seen)
  },
  "watch/known-is-honoured" => lambda {
    user = client("plain")
    held = known(batch(user.watch(**WATCH)))
    stale = held.drop(1) << { inbox_id: 99, etag: "gone" }
    seen = [held, stale].map { |list| words(batch(user.watch(**WATCH, known: list))).sort }
    expect([%w[synced], %w[+1 -99 synced]], seen)
  },
  "watch/known-beyond-the-limit" => lambda {
    user = client("plain")
    held = known(batch(user.watch(**WATCH))).drop(1)
    more = (100...5100).map { |id| { inbox_id: id, etag: "" } }
    # What is held unchanged is no event. What has gone is removed before `synced`.
    seen = words(batch(user.watch(**WATCH, known: held + more)))
    expect([%w[+1 -100], 5002, "synced"], [seen.first(2), seen.size, seen.last])
  },
  "watch/resumes-with-what-is-held" => lambda {
    with_proxy do |user, proxy|
      watch = user.watch(**WATCH)
      first = words(batch(watch))
      events = watch.each
      reader = Thread.new { words([events.next, events.next]) }
      sleep(0.5)
      proxy.refusing = true
      proxy.cut
      sleep(0.5)
      proxy.refusing = false
      seen = reader.value
      watch.close
      expect([%w[+1 +3 +7 synced], %w[synced synced]], [first, seen])
    end
  },
  "watch/close-ends-it-at-once" => lambda {
    before = Thread.list
    watch = client("plain").watch(**WATCH)
    reader = Thread.new { watch.each { nil } }
    sleep(0.5)
    watch.close
    ended, seconds = timed { reader.value }
    expect([true, true, 0], [ended.equal?(watch), seconds < 1, (Thread.list - before).size])
  },
  "watch/close-ends-a-delay" => lambda {
    with_proxy do |user, proxy|
      proxy.refusing = true
      watch = user.watch(**WATCH)
      reader = Thread.new { watch.to_a }
      sleep(1.5)
      watch.close
      ended, seconds = timed { reader.value }
      expect([[], true], [ended, seconds < 0.5])
    end
  },
  "watch/ends-with-its-thread" => lambda {
    before = Thread.list
    reader = Thread.new { client("plain").watch(**WATCH).each { nil } }
    sleep(0.5)
    reader.kill
    _, seconds = timed { reader.join(5) }
    expect([true, 0], [seconds < 1, (Thread.list - before).size])
  },
  "watch/ends-with-its-client" => lambda {
    user = client("plain")
    reader = Thread.new { error_of(IOError) { user.watch(**WATCH).each { nil } }.message }
    sleep(0.5)
    user.close
    late = error_of(IOError) { user.watch(**WATCH).first }
    expect(["the client is closed"] * 2, [reader.value, late.message])
  },
  "watch/errors-that-end-it" => lambda {
    user = client("plain")
    denied = error_of { user.watch(**DENIED).first }
    invalid = error_of { user.watch.first }
    expect([Reason::ACCESS_DENIED, %w[account_id viewer], ArgumentError],
           [denied.reason, invalid.fields.map(&:field), error_of(ArgumentError) { user.isolated.watch(**WATCH) }.class])
  },
  "watch/errors-of-the-block" => lambda {
    user = client("plain")
    raised = [GRPC::Unavailable.new("mine"), StopIteration.new("mine"), RuntimeError.new("mine")]
    expect(raised, raised.map { |each| error_of(StandardError) { user.watch(**WATCH).each { raise each } } })
  },
  "watch/credentials-are-read-anew-once" => lambda {
    names = []
    token = -> { File.read(SERVERS["callers"][names.shift]["token"]) }
    user = client("tls", token: token)
    of_service = { **WATCH, viewer: { service: {} } }
    names.push("late", "watcher")
    count = batch(user.watch(**of_service)).size
    names.push("late", "late", "watcher")
    error = error_of { user.watch(**of_service).first }
    expect([true, Reason::CREDENTIALS_EXPIRED, %w[watcher]], [count > 1, error.reason, names])
  },
  "watch/credentials-are-renewed-in-time" => lambda {
    proxy = WatchProxy.new(SERVERS["tls"]["address"])
    tokens = [SERVERS["callers"]["late"]["token"]]
    token = lambda do
      if tokens.empty?
        proxy.refusing = true
        proxy.cut
      end
      File.read(tokens.shift || SERVERS["callers"]["watcher"]["token"])
    end
    tls = LeadchatInbox::TLS.new(ca_file: SERVERS["tls"]["ca"])
    user = LeadchatInbox::Client.new("localhost:#{proxy.port}", tls: tls, token: token)
    watch = user.watch(**WATCH, viewer: { service: {} })
    # Two seconds in place of 30.
    watch.instance_variable_set(:@resumption, LeadchatInbox::Resumption.new(2))
    error, seconds = timed { error_of { watch.first } }
    user.close
    proxy.close
    expect([Reason::CREDENTIALS_EXPIRED, :UNAVAILABLE, true],
           [error.reason, watch.failure.code, seconds.between?(2, 4)])
  },
  "cache/as-the-list" => lambda {
    user = client("plain")
    fields = { account_id: 1, viewer: { user_id: 1 } }
    cache = LeadchatInbox::InboxCache.new(user, **fields)
    cache.wait_synced(10)
    listed = user.inboxes(**fields).to_a
    found = [cache.list, listed.map { |inbox| cache.get(inbox.id) }, cache.get(99), cache.age.abs < 10, cache.error]
    cache.close
    expect([listed, listed, nil, true, nil], found)
  },
  "cache/not-ready" => lambda {
    proxy = WatchProxy.new
    cache = LeadchatInbox::InboxCache.new(LeadchatInbox::Client.new("127.0.0.1:#{proxy.port}"), **WATCH)
    reads = [-> { cache.get(3) }, -> { cache.list }, -> { cache.wait_synced(0.1) }]
    errors = reads.map { |read| error_of(LeadchatInbox::NotReadyError, &read).class }
    state = [cache.read_time, cache.age, cache.error]
    proxy.refusing = true
    proxy.cut
    cause = error_of(LeadchatInbox::NotReadyError) { cache.wait_synced(1) }.cause
    cache.close
    proxy.close
    expect([[LeadchatInbox::NotReadyError] * 3, [nil] * 3, :UNAVAILABLE], [errors, state, cause&.code])
  },
  "cache/forgets" => lambda {
    before = Thread.list
    user = client("plain")
    denied = LeadchatInbox::InboxCache.new(user, **DENIED)
    reads = [-> { denied.wait_synced(10) }, -> { denied.list }, -> { denied.read_time }, -> { denied.age }]
    errors = [*reads.map { |read| error_of(&read) }, denied.error]
    closed = LeadchatInbox::InboxCache.new(user, **WATCH)
    closed.wait_synced(10)
    2.times { closed.close }
    denied.close
    messages = [-> { closed.get(3) }, -> { closed.read_time }, -> { closed.age }].map do |read|
      error_of(IOError, &read).message
    end
    expect([[Reason::ACCESS_DENIED] * 5, ["the cache is closed"] * 3, IOError, 0],
           [errors.map(&:reason), messages, closed.error.class, (Thread.list - before).size])
  },
  "cache/keeps-what-it-holds-in-an-outage" => lambda {
    with_proxy do |user, proxy|
      cache = LeadchatInbox::InboxCache.new(user, **WATCH)
      cache.wait_synced(10)
      before = cache.read_time
      proxy.refusing = true
      proxy.cut
      sleep(1)
      held = [cache.list.size, cache.age >= 1]
      proxy.refusing = false
      100.times { cache.read_time == before && sleep(0.1) }
      found = [held, cache.read_time > before]
      cache.close
      expect([[3, true], true], found)
    end
  },
  "cache/order-of-names" => lambda {
    cache = LeadchatInbox::InboxCache.allocate
    names = ["\u039F\u0394\u039F\u03A3", "\u03A3", "A\u03A3 \u03A3\u0391\u03A3'", "\u0130", "\u{10400}"]
    expect(["\u03BF\u03B4\u03BF\u03C2", "\u03C3", "a\u03C2 \u03C3\u03B1\u03C2'", "i\u0307", "\u{10428}"],
           names.map { |name| cache.send(:fold, name) })
  },
  "cache/ends-with-its-process" => lambda {
    program = <<~RUBY
      gem "leadchat-inbox-client"
      require "leadchat_inbox"
      client = LeadchatInbox::Client.new(ARGV.fetch(0))
      cache = LeadchatInbox::InboxCache.new(client, account_id: 1, viewer: { user_id: 2 })
      cache.wait_synced(10)
      puts cache.list.size
      pid = fork do
        cache.list
      rescue LeadchatInbox::ForkError
        puts "fork"
        $stdout.flush
      ensure
        exit!(0)
      end
      Process.wait(pid)
    RUBY
    (text, status), seconds = timed do
      Open3.capture2e(RbConfig.ruby, "-e", program, SERVERS["plain"]["address"])
    end
    expect(["3\nfork\n", 0, true], [text, status.exitstatus, seconds < 5])
  }
}.freeze
