# frozen_string_literal: true

# The channel of a client: made at the first call of each process, and anew for a new certificate.

require "json"

module LeadchatInbox
  # Every RPC only reads, so all of them are retried after UNAVAILABLE.
  SERVICE_CONFIG = {
    loadBalancingConfig: [{ round_robin: {} }],
    methodConfig: [{
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
        "grpc.enable_http_proxy" => 0
      }.compact
      @lock = Mutex.new
    end

    # Returns the stub of this process.
    def stub
      @lock.synchronize do
        raise IOError, "the client is closed" if @closed

        forget_parent if @pid != Process.pid
        @stub.nil? ? open : reopen
        @stub
      end
    end

    # Closes the channel of this process.
    def close
      @lock.synchronize do
        forget_parent if @pid != Process.pid
        @channel&.close
        @closed = true
      end
      nil
    end

    def inspect = "#<#{self.class} #{addresses.join(",")}#{" #{@tls.inspect}" if @tls}>"

    private

    attr_reader :addresses

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
