# frozen_string_literal: true

# Whether a watch goes on after its call has ended, and when.

module LeadchatInbox
  # The delays between the calls of a watch, in seconds.
  class Resumption
    BACKOFF = (0.1..10)
    # The server ends a connection within a second after it has refused its certificate. A call on
    # it would present the old one again.
    CERTIFICATE_DELAY = 2
    # The time for a `synced` after CREDENTIALS_EXPIRED. Until an expired certificate is renewed,
    # handshakes fail as UNAVAILABLE.
    RENEWAL = 30
    # The codes of a connection that has broken, if the error has no reason.
    BROKEN = %i[INTERNAL UNKNOWN CANCELLED].freeze

    def initialize(renewal = RENEWAL)
      @backoff = BACKOFF.min
      @renewal = renewal
    end

    # To be called for each `synced`.
    def reset
      @backoff = BACKOFF.min
      @at_once = false
      @expired = nil
    end

    # Returns the time that is left for a `synced`. It is infinite if no credential has expired.
    def left = @expired ? @end - now : Float::INFINITY

    # Raises CREDENTIALS_EXPIRED if the credentials were not renewed in time.
    def check
      raise @expired if left <= 0
    end

    # Returns the delay before the next call, or nil if the error ends the watch. `known` is whether
    # the last call named inboxes.
    def delay(error, known)
      case error&.reason
      when Reason::CREDENTIALS_EXPIRED then renewal(error)
      when Reason::REQUEST_TOO_LARGE then known ? backoff(error) : nil
      when Reason::RECONNECT, Reason::SHUTTING_DOWN then departure(error)
      else backoff(error) if error.nil? || transient?(error)
      end
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def renewal(error)
      certificate = error.metadata["credential"] == "certificate"
      return if @expired && !certificate

      @end = now + @renewal unless @expired
      @expired ||= error
      # Each replica may have a connection with the old certificate.
      certificate ? CERTIFICATE_DELAY : backoff(error)
    end

    # There is one call at once after the end of another since the last `synced`.
    def departure(error)
      return backoff(error) if @at_once

      @at_once = true
      0
    end

    # What the server asks for, and a random time: the next backoff, or up to half less.
    def backoff(error)
      delay = (error&.retry_delay || 0) + (@backoff * rand(0.5..1.0))
      @backoff = [2 * @backoff, BACKOFF.max].min
      delay
    end

    def transient?(error)
      case error.code
      # A deadline is that of the server: the watch did not begin within the time that it has for a
      # call.
      when :UNAVAILABLE, :RESOURCE_EXHAUSTED, :DEADLINE_EXCEEDED then true
      when *BROKEN then error.reason.nil?
      else false
      end
    end
  end
end
