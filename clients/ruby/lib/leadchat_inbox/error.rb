# Failed calls, as typed errors.
# frozen_string_literal: true

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

    # Makes an error from a code, a text, and the bytes of a `google.rpc.Status`.
    def self.from_status(code, message, details = nil, request_id: nil)
      found = unpack(details)
      info = found[Google::Rpc::ErrorInfo]
      info = nil unless info&.domain == DOMAIN
      delay = found[Google::Rpc::RetryInfo]&.retry_delay
      new(message,
          code: CODES.fetch(code, :UNKNOWN), request_id: request_id,
          reason: info && Reason.of(info.reason), metadata: info.to_h.fetch(:metadata, {}),
          fields: violations(found[Google::Rpc::BadRequest]),
          retry_delay: delay && (delay.seconds + (delay.nanos / 1e9)))
    end

    # Makes an error from what the library raised.
    def self.from_grpc(error)
      return from_status(GRPC::Core::StatusCodes::INTERNAL, error.message) unless error.is_a?(GRPC::BadStatus)

      trailers = error.metadata || {}
      from_status(error.code, error.details, Array(trailers["grpc-status-details-bin"]).first,
                  request_id: Array(trailers["x-request-id"]).first)
    end

    # Returns the first detail of each known type. Bytes that cannot be decoded count as absent.
    def self.unpack(details)
      types = [Google::Rpc::ErrorInfo, Google::Rpc::BadRequest, Google::Rpc::RetryInfo]
      anys = decoded { Google::Rpc::Status.decode(details || "").details.to_a } || []
      types.to_h { |type| [type, anys.filter_map { |any| decoded { any.unpack(type) } }.first] }
    end

    def self.decoded
      yield
    rescue Google::Protobuf::ParseError
      nil
    end

    def self.violations(bad_request)
      return [] unless bad_request

      bad_request.field_violations.map { |each| FieldViolation.new(each.field, each.description) }
    end
    private_class_method :unpack, :decoded, :violations

    def initialize(message, code:, reason: nil, metadata: {}, fields: [], retry_delay: nil, request_id: nil)
      super(message)
      @code = code
      @reason = reason
      @metadata = metadata
      @fields = fields
      @retry_delay = retry_delay
      @request_id = request_id
    end

    def inspect = "#<#{[self.class, code, *reason&.name].join(" ")}: #{message}>"
  end

  # A call in a process that was forked after its parent had used gRPC. The grpc gem refuses it.
  class ForkError < Error
    def initialize(message = "gRPC was used before this process was forked; " \
                             "before a fork, call through Client#isolated",
                   code: :FAILED_PRECONDITION, **rest)
      super
    end
  end
end
