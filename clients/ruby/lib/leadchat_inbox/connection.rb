# The channel of a client: made at the first call of each process, and anew for a new certificate.
# frozen_string_literal: true

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
    # Channels of parent processes. Their destruction would close the sockets of the parent.
    INHERITED = []

    attr_reader :addresses

    def initialize(addresses, tls:, server_name:, max_response_bytes:, service_config:)
      addresses.each { |address| Address.unix?(address) || Address.split(address) }
      @addresses = addresses
      @tls = tls
      @arguments = {
        "grpc.service_config" => JSON.generate(service_config),
        # C core would send the path of a Unix socket, or the first of several IP addresses.
        "grpc.default_authority" => server_name || default_authority,
        "grpc.max_receive_message_length" => max_response_bytes
      }.compact
      @lock = Mutex.new
    end

    # Whether calls are encrypted, or cannot leave this machine.
    def private? = !@tls.nil? || addresses.all? { |address| Address.local?(address) }

    # Returns the stub of this process.
    def stub
      @lock.synchronize do
        forget_parent if @pid != Process.pid
        @stub.nil? ? open : reopen
        @stub
      end
    end

    def inspect = "#<#{self.class} #{addresses.join(",")}#{" #{@tls.inspect}" if @tls}>"

    private

    def default_authority
      return (Address.unix?(addresses.first) ? "localhost" : nil) if addresses.one?

      hosts = addresses.map { |address| Address.split(address).first }.uniq
      return hosts.first if hosts.one?
      raise ArgumentError, "several hosts over TLS need server_name:, the name in their certificates" if @tls
    end

    def forget_parent
      INHERITED << @stub if @stub
      @stub = nil
      @pid = Process.pid
    end

    def open
      stamp = @tls&.stamp
      credentials = @tls ? @tls.credentials : :this_channel_is_insecure
      @stub = V1::InboxService::Stub.new(Address.target(addresses), credentials, channel_args: @arguments)
      @stamp = stamp
    rescue RuntimeError => e
      raise e unless e.instance_of?(RuntimeError) && e.message.include?("fork")

      raise ForkError
    end

    # Files that are being replaced may be absent or not match: then the old channel stays.
    def reopen
      open if @tls && @tls.stamp != @stamp
    rescue SystemCallError, ArgumentError, OpenSSL::OpenSSLError
      nil
    end
  end
end
