# frozen_string_literal: true

# The channel of a client: made at the first call of each process, and anew for a new certificate.

require "json"

module LeadchatInbox
  # Every RPC only reads, so all of them are retried after UNAVAILABLE. A watch resumes by itself,
  # with what it holds by then.
  SERVICE_CONFIG = {
    loadBalancingConfig: [{ round_robin: {} }],
    methodConfig: [{
      name: [{ service: V1::InboxService::Service.service_name, method: "WatchInboxes" }]
    }, {
      name: [{ service: V1::InboxService::Service.service_name }],
      retryPolicy: {
        maxAttempts: 3, initialBackoff: "1s", maxBackoff: "10s", backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"]
      }
    }]
  }.freeze

  # The addresses and settings of a client, and the stub of this process.
  class Connection
    # Stubs that were made before a fork. The end of their channels would close the sockets of the
    # parent, so they are kept.
    INHERITED = []

    def initialize(addresses, tls:, max_response_bytes:, service_config:)
      addresses.each { |address| check(address, tls) }
      @addresses = addresses
      @tls = tls
      @arguments = {
        "grpc.service_config" => JSON.generate(service_config),
        # C core would send the path of a Unix socket, or the first of several IP addresses.
        "grpc.default_authority" => tls&.server_name || default_authority,
        "grpc.max_receive_message_length" => max_response_bytes,
        # C core would send loopback calls, tokens included, to a proxy of the environment.
        "grpc.enable_http_proxy" => 0,
        # After an outage, the replicas are found again as soon as a watch asks for them.
        "grpc.max_reconnect_backoff_ms" => 10_000,
        # While calls are under way, a dead peer is noticed after 30 seconds.
        "grpc.keepalive_time_ms" => 20_000,
        "grpc.keepalive_timeout_ms" => 10_000,
        # A watch sends nothing after its request.
        "grpc.http2.max_pings_without_data" => 0
      }.compact
      @lock = Mutex.new
      @watches = []
    end

    # Returns the stub of this process.
    def stub
      @lock.synchronize do
        raise_if_closed
        forget_parent if @pid != Process.pid
        @stub.nil? ? open : reopen
        @stub
      end
    end

    # Runs the block of a watch. `close` closes the watch, and then this raises an error.
    def keep(watch)
      @lock.synchronize do
        forget_parent if @pid != Process.pid
        @watches << watch
      end
      yield
      @lock.synchronize { raise_if_closed }
    ensure
      @lock.synchronize { @watches.delete(watch) }
    end

    # Closes the channel of this process, and its watches.
    def close
      watches = @lock.synchronize do
        forget_parent if @pid != Process.pid
        @channel&.close
        @closed = true
        @watches.dup
      end
      watches.each(&:close)
      nil
    end

    def inspect = "#<#{self.class} #{addresses.join(",")}#{" #{@tls.inspect}" if @tls}>"

    private

    attr_reader :addresses

    def raise_if_closed
      raise IOError, "the client is closed" if @closed
    end

    def check(address, tls)
      Address.split(address) unless Address.unix?(address)
      return if tls || Address.local?(address)

      raise ArgumentError, "#{address} is no loopback address, so it needs TLS"
    end

    def default_authority
      return (Address.unix?(addresses.first) ? "localhost" : nil) if addresses.one?

      hosts = addresses.map { |address| Address.split(address).first }.uniq
      return hosts.first if hosts.one? || @tls.nil?

      raise ArgumentError, "replicas on several hosts need server_name: of TLS, the name in their certificates"
    end

    def forget_parent
      INHERITED << @stub if @stub
      @stub = @channel = nil
      @watches = []
      @pid = Process.pid
    end

    def open
      stamp = @tls&.stamp
      credentials = @tls ? @tls.credentials : :this_channel_is_insecure
      target = Address.target(addresses)
      @channel = GRPC::ClientStub.setup_channel(nil, target, credentials, @arguments.dup)
      @stub = V1::InboxService::Stub.new(target, credentials, channel_override: @channel)
      @stamp = stamp
    rescue RuntimeError => e
      raise e unless e.instance_of?(RuntimeError) && e.message.include?("fork")

      raise ForkError
    end

    # The old channel stays while files are absent or do not match, or names cannot be looked up.
    def reopen
      open if @tls && @tls.stamp != @stamp
    rescue SystemCallError, SocketError, ArgumentError, OpenSSL::OpenSSLError
      nil
    end
  end
end
