# frozen_string_literal: true

# The mode `idioms`: what JSON cases cannot see of the API.

require "fileutils"
require "open3"
require "rbconfig"
require "socket"
require "tmpdir"
require_relative "idioms_resumption"
require_relative "idioms_watch"

V1 = LeadchatInbox::V1
Reason = LeadchatInbox::Reason
LIST = { account_id: 1, viewer: { user_id: 1 }, detail: :INBOX_DETAIL_BASIC, page_size: 2 }.freeze
GET = { account_id: 1, inbox_id: 3, viewer: { user_id: 2 } }.freeze

# Returns a problem unless the value is as expected.
def expect(expected, got) = expected == got ? nil : "expected #{expected.inspect} got #{got.inspect}"

# Returns the error of the block.
def error_of(type = LeadchatInbox::Error)
  yield
  raise "expected a #{type}, got none"
rescue type => e
  e
end

# Forwards one connection to a server.
def forward(port, address)
  here = TCPServer.new("127.0.0.1", port).accept
  there = TCPSocket.new(*address.split(":"))
  [[here, there], [there, here]].map { |from, to| Thread.new { IO.copy_stream(from, to) } }.each(&:join)
end

# Counts its calls. Its string is a token only in form.
class CountingToken
  attr_reader :calls

  def initialize(string = "string")
    @string = string
    @calls = 0
  end

  def call
    @calls += 1
    @string
  end
end

IDIOMS = {
  "request/message-or-keywords" => lambda {
    request = V1::GetInboxRequest.new(**GET)
    expect(client("plain").get(request).inbox, client("plain").get(**GET).inbox)
  },
  "request/wrong-type" => lambda {
    expect(TypeError, error_of(TypeError) { client("plain").get(V1::ListInboxesRequest.new) }.class)
  },
  "response/oneof-and-presence" => lambda {
    inbox = client("plain").get(**GET).inbox
    kind = case inbox.channel
           when :email then inbox.email.provider
           end
    # google-protobuf 3.21 answers 0 for true, which is as good in a condition.
    present = [inbox.has_avatar_url?, inbox.has_greeting_message?, inbox.email.has_imap?].map { |each| !!each }
    expect(["google", [true, false, false]], [kind, present])
  },
  "error/reason-in-case" => lambda {
    error = error_of { client("plain").get(**GET, inbox_id: 99) }
    found = case error.reason
            when Reason::INBOX_NOT_FOUND then :not_found
            end
    expect([:not_found, :NOT_FOUND, true], [found, error.code, error.reason.known?])
  },
  "error/other-reason" => lambda {
    info = Google::Rpc::ErrorInfo.new(domain: "inbox.leadchat", reason: "LATER")
    status = Google::Rpc::Status.new(details: [Google::Protobuf::Any.pack(info)])
    reason = LeadchatInbox::Error.from_status(9, "text", status.to_proto).reason
    expect([true, Reason::Other.new("LATER"), false, "LATER"],
           [reason.is_a?(Reason::Other), reason, reason.known?, reason.to_s])
  },
  "error/other-domain" => lambda {
    info = Google::Rpc::ErrorInfo.new(domain: "proxy.example", reason: "INTERNAL", metadata: { "a" => "b" })
    status = Google::Rpc::Status.new(details: [Google::Protobuf::Any.pack(info)])
    error = LeadchatInbox::Error.from_status(14, "text", status.to_proto)
    expect([nil, {}, :UNAVAILABLE, "text"], [error.reason, error.metadata, error.code, error.details])
  },
  "error/several-details" => lambda {
    info = ->(domain, reason) { Google::Rpc::ErrorInfo.new(domain: domain, reason: reason) }
    bad = ->(field) { Google::Rpc::BadRequest.new(field_violations: [{ field: field, description: "bad" }]) }
    delay = ->(seconds) { Google::Rpc::RetryInfo.new(retry_delay: { seconds: seconds }) }
    details = [info["proxy.example", "QUOTA"], bad["a"], info["inbox.leadchat", "OVERLOADED"], delay[1],
               info["inbox.leadchat", "INTERNAL"], bad["b"], delay[2]]
    status = Google::Rpc::Status.new(details: details.map { |each| Google::Protobuf::Any.pack(each) })
    error = LeadchatInbox::Error.from_status(8, "two\nlines", status.to_proto, request_id: "17")
    expect([Reason::OVERLOADED, %w[a b], 1.0,
            "RESOURCE_EXHAUSTED OVERLOADED: two lines; a bad; b bad (request id 17)"],
           [error.reason, error.fields.map(&:field), error.retry_delay, error.message])
  },
  "error/empty-reason" => lambda {
    info = Google::Rpc::ErrorInfo.new(domain: "inbox.leadchat")
    status = Google::Rpc::Status.new(details: [Google::Protobuf::Any.pack(info)])
    expect(nil, LeadchatInbox::Error.from_status(14, "text", status.to_proto).reason)
  },
  "error/request-id-of-trailers-before-headers" => lambda {
    ids = [{ "x-request-id" => "trailer" }, {}].map do |trailers|
      status = GRPC::BadStatus.new(14, "text", trailers)
      LeadchatInbox::Error.from_grpc(status, { "x-request-id" => "header" }).request_id
    end
    expect(%w[trailer header], ids)
  },
  "error/details-that-cannot-be-decoded" => lambda {
    error = LeadchatInbox::Error.from_status(14, "text", "\xFF\xFF".b)
    expect([nil, [], nil], [error.reason, error.fields, error.retry_delay])
  },
  "error/retry-delay" => lambda {
    info = Google::Rpc::RetryInfo.new(retry_delay: Google::Protobuf::Duration.new(seconds: 1, nanos: 500_000_000))
    status = Google::Rpc::Status.new(details: [Google::Protobuf::Any.pack(info)])
    expect(1.5, LeadchatInbox::Error.from_status(14, "text", status.to_proto).retry_delay)
  },
  "error/fields" => lambda {
    error = error_of { client("plain").get(account_id: 1, inbox_id: -1, viewer: { user_id: 1 }) }
    expect([["inbox_id", "must be positive"]], error.fields.map(&:to_a))
  },
  "error/of-the-library" => lambda {
    server = TCPServer.new("127.0.0.1", 0)
    port = server.addr[1]
    server.close
    error = error_of { LeadchatInbox::Client.new("127.0.0.1:#{port}", service_config: {}).get(**GET) }
    expect([:UNAVAILABLE, nil, nil], [error.code, error.reason, error.request_id])
  },
  "proxy/of-the-environment-is-not-used" => lambda {
    before = ENV.to_h
    ENV.update("http_proxy" => "http://127.0.0.1:9", "no_proxy" => nil)
    begin
      expect(1, client("plain").get(**GET, viewer: { user_id: 1 }).inbox.account_id)
    ensure
      ENV.replace(before)
    end
  },
  "retry/until-the-server-listens" => lambda {
    free = TCPServer.new("127.0.0.1", 0)
    port = free.addr[1]
    free.close
    forwarder = Thread.new { sleep(0.5) && forward(port, SERVERS["plain"]["address"]) }
    client = LeadchatInbox::Client.new("127.0.0.1:#{port}", timeout: 20)
    answer = client.get(**GET)
    client.close
    forwarder.kill
    expect(3, answer.inbox.id)
  },
  "pages/lazy" => lambda {
    token = CountingToken.new
    first = client("plain", token: token).inboxes(**LIST).first(3).map(&:id)
    expect([[3, 4, 5], 2], [first, token.calls])
  },
  "pages/external-enumerator" => lambda {
    token = CountingToken.new
    inboxes = client("plain", token: token).inboxes(**LIST)
    expect([3, 3, 4, 1], [inboxes.peek.id, inboxes.next.id, inboxes.next.id, token.calls])
  },
  "pages/block" => lambda {
    ids = []
    client("plain").inboxes(**LIST) { |inbox| ids << inbox.id }
    client("plain").pages(**LIST) { |page| ids.concat(page.inboxes.map(&:id)) }
    expect([26, 13], [ids.size, ids.uniq.size])
  },
  "pages/pages-are-lazy" => lambda {
    token = CountingToken.new
    pages = client("plain", token: token).pages(**LIST).first(2)
    expect([[:ROLE_ADMINISTRATOR, 2]] * 2, pages.map { |page| [page.disclosed_as, page.inboxes.size] }) ||
      expect(2, token.calls)
  },
  "deadline/default" => lambda {
    # Nothing answers at this address, and its connections stay open.
    TCPServer.open("127.0.0.1", 0) do |server|
      start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      error = error_of { LeadchatInbox::Client.new("127.0.0.1:#{server.addr[1]}").get(**GET) }
      seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - start
      expect([:DEADLINE_EXCEEDED, true], [error.code, seconds.between?(4.5, 7)])
    end
  },
  "response/limit" => lambda {
    error = error_of { client("plain", max_response_bytes: 100).get(**GET) }
    expect([:RESOURCE_EXHAUSTED, nil], [error.code, error.reason])
  },
  "stub/reachable" => lambda {
    user = client("plain")
    reply = user.stub.get_inbox(V1::GetInboxRequest.new(**GET), metadata: user.metadata, deadline: Time.now + 5)
    expect([V1::InboxService::Stub, 3], [user.stub.class, reply.inbox.id])
  },
  "threads/share-a-client" => lambda {
    shared = client("plain")
    names = Array.new(8) { Thread.new { Array.new(10) { shared.get(**GET).inbox.name } } }.flat_map(&:value)
    expect([80, ["Customer mail"]], [names.size, names.uniq])
  },
  "token/asked-for-each-call" => lambda {
    token = CountingToken.new(File.read(SERVERS["callers"]["webhooks"]["token"]))
    user = client("tls", token: token)
    2.times { user.find(viewer: { service: {} }, detail: :INBOX_DETAIL_BASIC, phone_number: "+19990000000") }
    expect(2, token.calls)
  },
  "token/of-a-viewer-by-a-derived-client" => lambda {
    dashboard = client("tls", "dashboard")
    name = dashboard.with(viewer_token: viewer_token("2")).get(**GET).inbox.name
    error = error_of { dashboard.get(**GET) }
    expect(["Customer mail", Reason::CALLER_NOT_PERMITTED], [name, error.reason])
  },
  "token/white-space-and-bad-ones" => lambda {
    good = client("plain", token: " token\r\n", viewer_token: "user\n").metadata
    bad = ["", " ", "a b", "a\u0001", "\u00e9", "\xff", nil].map { |each| -> { each } }
    bad.push("a b", -> { raise IOError, "down" })
    errors = bad.map { |token| error_of { client("plain", token: token).get(**GET) } }
    errors << error_of { client("plain").with(viewer_token: "a b").get(**GET) }
    expect({ "authorization" => "Bearer token", "viewer-authorization" => "Bearer user" }, good) ||
      expect([[:UNAUTHENTICATED, nil]] * 10, errors.map { |error| [error.code, error.reason] }) ||
      expect([IOError, "down"], [errors[8].cause.class, errors[8].cause.message])
  },
  "address/plaintext-is-for-this-machine" => lambda {
    remote = ["10.0.0.1:50051", "inbox.internal:50051", "[fe80::1]:1", %w[127.0.0.1:1 192.0.2.1:1]]
    texts = remote.map { |address| error_of(ArgumentError) { LeadchatInbox::Client.new(address) }.message }
    ["127.0.0.2:1", "[::1]:1", "localhost:1", "unix:/x", %w[127.0.0.1:1 localhost:1]].each do |address|
      LeadchatInbox::Client.new(address)
    end
    LeadchatInbox::Client.new("10.0.0.1:50051", tls: LeadchatInbox::TLS.new)
    expect(["10.0.0.1:50051", "inbox.internal:50051", "[fe80::1]:1", "192.0.2.1:1"].map do |address|
      "#{address} is no loopback address, so it needs TLS"
    end, texts)
  },
  "address/replicas-over-tls-need-one-name" => lambda {
    port = SERVERS["tls"]["address"].split(":").last
    names = ["localhost:#{port}", "127.0.0.1:#{port}"]
    calls = [nil, "localhost", "wrong.example"].map do |name|
      tls = LeadchatInbox::TLS.new(ca_file: SERVERS["tls"]["ca"], server_name: name)
      error_of(StandardError) { LeadchatInbox::Client.new(names, tls: tls, service_config: {}).get(**GET) }
    end
    expect([ArgumentError, :UNAUTHENTICATED, :UNAVAILABLE], [calls[0].class, calls[1].code, calls[2].code])
  },
  "certificate/needs-its-key" => lambda {
    texts = [{ certificate: "x" }, { key_file: "x" }].map do |pem|
      error_of(ArgumentError) { LeadchatInbox::TLS.new(**pem) }.message
    end
    expect(["a certificate and its key belong together: one of them is missing"] * 2, texts)
  },
  "close/refuses-later-calls" => lambda {
    user = client("plain")
    derived = [user.with(timeout: 1), user.isolated]
    user.get(**GET)
    2.times { user.close }
    expect([IOError] * 3, [user, *derived].map { |each| error_of(StandardError) { each.get(**GET) }.class })
  },
  "token/not-in-texts" => lambda {
    user = client("tls", "sender", viewer_token: "hidden-secret")
    bad = client("plain", token: "hidden-secret\u0001")
    texts = [user.inspect, bad.inspect, user.with(timeout: 1).inspect, error_of { user.get(**GET) }.full_message,
             error_of { bad.get(**GET) }.full_message, user.stub.inspect]
    secrets = ["hidden-secret", File.read(SERVERS["callers"]["sender"]["token"]), "PRIVATE KEY"]
    expect([], texts.select { |text| secrets.any? { |secret| text.include?(secret) } })
  },
  "certificate/renewed-in-its-file" => -> { Dir.mktmpdir { |folder| renew(folder) } },
  "certificate/renewed-while-names-are-unknown" => -> { Dir.mktmpdir { |folder| renew_without_names(folder) } },
  "replicas/names-and-round-robin" => lambda {
    # localhost stands for a name of replicas that has to be looked up.
    names = SERVERS["replicas"].map { |address| address.sub("127.0.0.1", "localhost") }
    target = LeadchatInbox::Address.target(names)
    client = LeadchatInbox::Client.new(names, timeout: 20)
    expect(["ipv4:#{SERVERS["replicas"].join(",")}", 1],
           [target, client.get(**GET, viewer: { user_id: 1 }).inbox.account_id])
  },
  "fork/parent-and-children-call" => lambda {
    forked.values_at("before", "children", "after", "again").then do |before, children, after, again|
      seconds = children.map(&:last)
      name = "Customer mail"
      expect([[name, true], [["#{name},#{name}", 0]] * 2, name, [name], true],
             [before, children.map { |each| each.first(2) }, after, again, seconds.max < 2])
    end
  },
  "fork/error-of-an-isolated-call" => -> { expect(["NOT_FOUND", true, true], forked["isolated_error"]) },
  "fork/after-a-direct-call-is-refused" => lambda {
    text, status, seconds = forked["late"]
    expect([true, 0, true], [text.start_with?("FAILED_PRECONDITION: gRPC was used before"), status, seconds < 2])
  },
  "fork/exit-is-quick" => -> { expect([0, true], [@fork_status, @fork_seconds < 5]) }
}.freeze

# A certificate is replaced by another caller's, which the server then answers differently.
def renew(folder)
  files = SERVERS["callers"].values_at("dashboard", "sender")
  paths = { certificate: File.join(folder, "me.pem"), key: File.join(folder, "me.key") }
  put = lambda do |from, *kinds|
    kinds.each do |kind|
      FileUtils.cp(from[kind.to_s], "#{paths[kind]}.new")
      File.rename("#{paths[kind]}.new", paths[kind])
    end
  end
  put.call(files[0], :certificate, :key)
  tls = LeadchatInbox::TLS.new(ca_file: SERVERS["tls"]["ca"], certificate_file: paths[:certificate],
                               key_file: paths[:key])
  user = LeadchatInbox::Client.new(SERVERS["tls"]["address"], tls: tls)
  reasons = [error_of { user.get(**GET) }.reason]
  put.call(files[1], :certificate) # The key does not match yet, so the old pair stays in use.
  reasons << error_of { user.get(**GET) }.reason
  put.call(files[1], :key)
  reasons << error_of { user.get(**GET) }.reason
  expect([Reason::CALLER_NOT_PERMITTED, Reason::CALLER_NOT_PERMITTED, Reason::CREDENTIALS_MISSING], reasons)
end

# A list's names cannot be looked up when a file has changed, so the old channel stays in use.
def renew_without_names(folder)
  ca = File.join(folder, "ca.pem")
  FileUtils.cp(SERVERS["tls"]["ca"], ca)
  tls = LeadchatInbox::TLS.new(ca_file: ca)
  user = LeadchatInbox::Client.new([SERVERS["tls"]["address"]] * 2, tls: tls)
  codes = [error_of { user.get(**GET) }.code]
  look_up = LeadchatInbox::Address.method(:look_up)
  begin
    LeadchatInbox::Address.define_singleton_method(:look_up) { |*| raise SocketError, "no such name" }
    FileUtils.touch(ca, mtime: Time.now + 5)
    codes << error_of { user.get(**GET) }.code
  ensure
    LeadchatInbox::Address.define_singleton_method(:look_up, look_up)
  end
  expect([:UNAUTHENTICATED] * 2, codes)
end

# Returns what a process that forks printed. It is a new process: this one has used gRPC.
def forked
  @forked ||= begin
    start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    text, errors, status = Open3.capture3(RbConfig.ruby, File.join(__dir__, "fork.rb"), SERVERS["plain"]["address"])
    @fork_seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - start
    @fork_status = status.exitstatus
    raise "the process that forks ended with #{status}: #{errors}" unless status.success?

    JSON.parse(text)
  end
end

def run_idioms
  IDIOMS.merge(WATCH_IDIOMS, RESUMPTION_IDIOMS).each { |name, check| report(name, "-", &check) }
end
