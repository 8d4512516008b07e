# frozen_string_literal: true

# The reasons of errors: the values of `ErrorReason` without their prefix.

module LeadchatInbox
  # The reason of a failed call. Each known reason is a constant: `Reason::INBOX_NOT_FOUND`.
  class Reason
    attr_reader :name
    alias to_s name

    def initialize(name)
      @name = name.dup.freeze
      freeze
    end

    # Whether the contract of this client has the reason.
    def known? = true

    def ==(other) = other.class == self.class && other.name == name
    alias eql? ==

    def hash = [self.class, name].hash

    def inspect = "#<#{self.class} #{name}>"

    # A reason of a later server, which this client does not know.
    class Other < Reason
      def known? = false
    end

    KNOWN = V1::ErrorReason.constants.filter_map do |constant|
      name = constant.to_s.delete_prefix("ERROR_REASON_")
      next if name == "UNSPECIFIED"

      [name, const_set(name, new(name))]
    end.to_h.freeze

    # Returns the constant of a string, or an `Other` with it. The empty string is no reason.
    def self.of(name) = name.empty? ? nil : KNOWN.fetch(name) { Other.new(name) }
  end
end
