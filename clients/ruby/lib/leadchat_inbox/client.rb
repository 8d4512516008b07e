# frozen_string_literal: true

# The client: one method for each RPC, and iterators for pages.

module LeadchatInbox
  # The answer of a call: the generated message, and the headers of the response.
  Reply = Struct.new(:message, :headers)

  # A client of leadchat-inbox. It is safe for threads. It may be made before a fork; the README
  # says when it may be used on both sides.
  #
  # Each method takes the generated request, or its fields as keyword arguments.
  class Client
    # The deadline of a call, in seconds, unless the caller sets another.
    TIMEOUT = 5

    # The address is `host:port`, `unix:/path`, or an array of `host:port`, which are replicas.
    # A token is a string, or answers `call` with one and is then asked before each call.
    def initialize(address, tls: nil, token: nil, viewer_token: nil, timeout: TIMEOUT, metadata: {},
                   max_response_bytes: nil, service_config: SERVICE_CONFIG)
      addresses = Array(address)
      raise ArgumentError, "an address is required" if addresses.empty?

      @connection = Connection.new(addresses, tls: tls, max_response_bytes: max_response_bytes,
                                              service_config: service_config)
      @isolated = false
      set(token: token, viewer_token: viewer_token, timeout: timeout, metadata: metadata)
    end

    # Returns a client with other settings on the same connection: `timeout`, `metadata` of the
    # request, `token`, `viewer_token`.
    def with(**settings) = dup.tap { |client| client.set(**settings) }

    # Returns a client that makes each call in a process of its own. It is for a process that
    # forks later, and slow.
    def isolated = dup.tap { |client| client.isolated = true }

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
      each_of(block) { |inboxes| all.each { |page| page.inboxes.each { |inbox| inboxes << inbox } } }
    end

    # Returns an enumerator of the pages.
    def pages(request = nil, **fields, &block)
      first = message(V1::ListInboxesRequest, request, fields)
      each_of(block) do |pages|
        request = first.dup
        loop do
          page = list(request)
          pages << page
          break if page.next_page_token.empty?

          request.page_token = page.next_page_token
        end
      end
    end

    # Returns a `Watch` of the inboxes that the viewer sees. `known` of the request is what the
    # caller holds already. `timeout` does not count, and an isolated client has no watches.
    def watch(request = nil, **fields)
      raise ArgumentError, "a watch cannot be isolated" if @isolated

      Watch.new(self, @connection, message(V1::WatchInboxesRequest, request, fields))
    end

    # Makes a call by the name of its RPC, and returns a `Reply`.
    def call(rpc, request = nil, **fields)
      description = V1::InboxService::Service.rpc_descs.fetch(rpc)
      request = message(description.input, request, fields)
      options = { metadata: metadata, deadline: Time.now + @timeout }
      return exchange(rpc, request, options) unless @isolated

      # A second more, so that the process itself can report its deadline.
      bytes, received = Isolation.run(@timeout + 1) do
        reply = exchange(rpc, request, options)
        [reply.message.to_proto, reply.headers]
      end
      Reply.new(description.output.decode(bytes), received)
    end

    # Returns the generated stub of this process, for what this class does not have.
    def stub = @connection.stub

    # Returns the metadata of a call, with the present tokens.
    def metadata
      { "authorization" => @token, "viewer-authorization" => @viewer_token }.compact
        .transform_values { |token| bearer(token) }.merge(@metadata)
    end

    # Closes the connection, also for the clients that `with` and `isolated` have made. Calls in
    # flight end; those that still wait for a connection fail. Watches and later calls raise
    # IOError.
    def close = @connection.close

    def inspect = "#<#{self.class} #{@connection.inspect}>"

    protected

    attr_writer :isolated

    def set(token: @token, viewer_token: @viewer_token, timeout: @timeout, metadata: @metadata)
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

    def each_of(block, &elements)
      all = Enumerator.new(&elements)
      block ? all.each(&block) : all
    end

    def exchange(rpc, request, options)
      name = GRPC::GenericService.underscore(rpc.to_s)
      operation = stub.public_send(name, request, return_op: true, **options)
      Reply.new(operation.execute, operation.metadata)
    rescue GRPC::BadStatus, GRPC::Core::CallError, Google::Protobuf::ParseError, SocketError => e
      raise Error.from_grpc(e, operation&.metadata)
    end

    # The library quotes a value that no header may have, so the token is checked here.
    def bearer(token)
      string = token.respond_to?(:call) ? supplied(token) : token
      visible = string.to_s.b[/\A\s*([!-~]+)\s*\z/, 1]
      return "Bearer #{visible}" if visible

      raise Error.new("a token is not 1 or more visible ASCII characters", code: :UNAUTHENTICATED)
    end

    def supplied(token)
      token.call
    rescue StandardError # It is the cause of the error.
      raise Error.new("the supplier of a token failed", code: :UNAUTHENTICATED)
    end
  end
end
