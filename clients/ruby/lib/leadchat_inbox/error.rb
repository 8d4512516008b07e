# frozen_string_literal: true

# Failed calls, as typed errors.

require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "google/rpc/status_pb"

module LeadchatInbox
  # A failed call. Programs decide by `reason`; it is nil where the library or a proxy failed.
  class Error < StandardError
    # The domain of this service in `ErrorInfo`.
    DOMAIN = "inbox.leadchat"
    # The names of gRPC's codes, by number.
    CODES = GRPC::Core::StatusCodes.constants.to_h do |name|
      [GRPC::Core::StatusCodes.const_get(name), name]
    end.freeze

    # An invalid field of the request, and what is wrong with it.
    FieldViolation = Struct.new(:field, :description)

    # The code of gRPC (`:NOT_FOUND`), and the reason: a `Reason`, or nil.
    attr_reader :code, :reason
    # The metadata of `ErrorInfo`, and the invalid fields of the request.
    attr_reader :metadata, :fields
    # The delay before the next attempt, in seconds, and the id of the request; each may be nil.
    attr_reader :retry_delay, :request_id

    # The string for people, as `GRPC::BadStatus#details`. `message` is one line with the rest.
    attr_reader :details

    # Makes an error from a code, a string for people, and the bytes of a `google.rpc.Status`.
    def self.from_status(code, details, status = nil, request_id: nil)
      anys = decoded { Google::Rpc::Status.decode(status || "").details.to_a } || []
      info = unpack(anys, Google::Rpc::ErrorInfo).find { |each| each.domain == DOMAIN }
      delay = unpack(anys, Google::Rpc::RetryInfo).first&.retry_delay
      violations = unpack(anys, Google::Rpc::BadRequest).flat_map { |each| each.field_violations.to_a }
      # The library returns bytes.
      new(details.to_s.dup.force_encoding(Encoding::UTF_8).scrub,
          code: CODES.fetch(code, :UNKNOWN), request_id: request_id,
          reason: info && Reason.of(info.reason), metadata: info.to_h.fetch(:metadata, {}),
          fields: violations.map { |each| FieldViolation.new(each.field, each.description) },
          retry_delay: delay && (delay.seconds + (delay.nanos / 1e9)))
    end

    # Makes an error from what the library raised, and the headers of the response, if any came.
    def self.from_grpc(error, headers = nil)
      # A name among replicas was not found.
      return new(error.message, code: :UNAVAILABLE) if error.is_a?(SocketError)
      return from_status(GRPC::Core::StatusCodes::INTERNAL, error.message) unless error.is_a?(GRPC::BadStatus)

      trailers = error.metadata || {}
      request_id = trailers["x-request-id"] || headers&.fetch("x-request-id", nil)
      from_status(error.code, error.details, Array(trailers["grpc-status-details-bin"]).first,
                  request_id: Array(request_id).first)
    end

    # Returns the details of a type. Bytes that cannot be decoded count as absent.
    def self.unpack(anys, type) = anys.filter_map { |any| decoded { any.unpack(type) } }

    def self.decoded
      yield
    rescue Google::Protobuf::ParseError
      nil
    end
    private_class_method :unpack, :decoded

    def initialize(details, code:, reason: nil, metadata: {}, fields: [], retry_delay: nil, request_id: nil)
      super(details)
      @details = details
      @code = code
      @reason = reason
      @metadata = metadata
      @fields = fields
      @retry_delay = retry_delay
      @request_id = request_id
    end

    # Returns code, reason, details, fields and the id of the request in one line.
    def to_s
      violations = fields.map { |each| "; #{each.field} #{each.description}" }.join
      request = " (request id #{request_id})" if request_id
      "#{[code, *reason].join(" ")}: #{details}#{violations}#{request}".split.join(" ")
    end

    def inspect = "#<#{self.class} #{self}>"
  end

  # A call in a process that was forked after its parent had used gRPC. The grpc gem refuses it.
  class ForkError < Error
    def initialize(details = "gRPC was used before this process was forked; " \
                             "before a fork, call through Client#isolated",
                   code: :FAILED_PRECONDITION, **rest)
      super
    end
  end
end
