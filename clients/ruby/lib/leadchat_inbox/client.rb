# The client: one method for each RPC, and iterators for pages.
# frozen_string_literal: true

module LeadchatInbox
  # The answer of a call: the generated message, and the headers of the response.
  Reply = Struct.new(:message, :headers)

  # A client of leadchat-inbox. It is safe for threads, and survives a fork (see the README).
  #
  # Each method takes the generated request, or its fields as keyword arguments.
  class Client
    # The deadline of a call, in seconds, unless the caller sets another.
    TIMEOUT = 5

    # The address is `host:port`, `unix:/path`, or an array of `host:port`, which are replicas.
    # A token is a text, or answers `call` with one and is then asked before each call.
    def initialize(address, tls: nil, server_name: nil, token: nil, viewer_token: nil, timeout: TIMEOUT,
                   metadata: {}, max_response_bytes: nil, service_config: SERVICE_CONFIG)
      addresses = Array(address)
      raise ArgumentError, "an address is required" if addresses.empty?

      @connection = Connection.new(addresses, tls: tls, server_name: server_name,
                                              max_response_bytes: max_response_bytes,
                                              service_config: service_config)
      @isolated = false
      set(token: token, viewer_token: viewer_token, timeout: timeout, metadata: metadata)
    end

    # Returns a client with other settings on the same connection: `timeout`, `metadata` of the
    # request, `token`, `viewer_token`.
    def with(**settings) = dup.tap { |client| client.set(**settings) }

    # Returns a client that makes each call in a process of its own. It is for a process that
    # forks later, and slow.
    def isolated = dup.tap { |client| client.instance_variable_set(:@isolated, true) }

    # Returns one inbox.
    def get(request = nil, **fields) = call(:GetInbox, request, **fields).message

    # Returns one page of the visible inboxes.
    def list(request = nil, **fields) = call(:ListInboxes, request, **fields).message

    # Returns several inboxes.
    def batch(request = nil, **fields) = call(:BatchGetInboxes, request, **fields).message

    # Returns the inboxes that own an external address.
    def find(request = nil, **fields) = call(:FindInboxes, request, **fields).message

    # Says whether this caller may ask a question, and what the viewer would get.
    def explain(request = nil, **fields) = call(:ExplainAccess, request, **fields).message

    # Returns an enumerator of all visible inboxes. It requests each page when it is needed.
    def inboxes(request = nil, **fields, &block)
      all = pages(request, **fields)
      return all.each { |page| page.inboxes.each(&block) } if block

      Enumerator.new { |inboxes| all.each { |page| page.inboxes.each { |inbox| inboxes << inbox } } }
    end

    # Returns an enumerator of the pages.
    def pages(request = nil, **fields)
      first = message(V1::ListInboxesRequest, request, fields)
      Enumerator.new do |pages|
        request = first.dup
        loop do
          page = list(request)
          pages << page
          break if page.next_page_token.empty?

          request.page_token = page.next_page_token
        end
      end
    end

    # Makes a call by the name of its RPC, and returns a `Reply`.
    def call(rpc, request = nil, **fields)
      description = V1::InboxService::Service.rpc_descs.fetch(rpc)
      request = message(description.input, request, fields)
      options = { metadata: headers, deadline: Time.now + @timeout }
      return exchange(rpc, request, options) unless @isolated

      bytes, received = Isolation.run do
        reply = exchange(rpc, request, options)
        [reply.message.to_proto, reply.headers]
      end
      Reply.new(description.output.decode(bytes), received)
    end

    # Returns the generated stub of this process, for what this class does not have.
    def stub = @connection.stub

    # Returns the metadata of a call, with the present tokens.
    def headers
      { "authorization" => @token, "viewer-authorization" => @viewer_token }.compact
        .transform_values { |token| bearer(token) }.merge(@metadata)
    end

    def inspect = "#<#{self.class} #{@connection.inspect}>"

    protected

    def set(token: @token, viewer_token: @viewer_token, timeout: @timeout, metadata: @metadata)
      if (token || viewer_token) && !@connection.private?
        raise ArgumentError, "a token is sent only over TLS, a loopback address or a Unix socket"
      end

      @token = token
      @viewer_token = viewer_token
      @timeout = timeout
      @metadata = metadata
    end

    private

    def message(type, request, fields)
      return type.new(**fields) if request.nil?
      raise ArgumentError, "give a request or its fields, not both" unless fields.empty?
      raise TypeError, "expected a #{type}, got a #{request.class}" unless request.is_a?(type)

      request
    end

    def exchange(rpc, request, options)
      name = GRPC::GenericService.underscore(rpc.to_s)
      operation = stub.public_send(name, request, return_op: true, **options)
      Reply.new(operation.execute, operation.metadata)
    rescue GRPC::BadStatus, GRPC::Core::CallError, Google::Protobuf::ParseError => e
      raise Error.from_grpc(e)
    rescue SocketError => e # A name among replicas was not found.
      raise Error.new(e.message, code: :UNAVAILABLE)
    end

    # The library quotes a value that no header may have, so the token is checked here.
    def bearer(token)
      text = (token.respond_to?(:call) ? token.call : token).to_s.strip
      raise ArgumentError, "the token is empty, or has characters of no token" unless /\A[!-~]+\z/.match?(text)

      "Bearer #{text}"
    end
  end
end
