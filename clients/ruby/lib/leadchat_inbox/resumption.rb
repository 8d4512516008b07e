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
      @synced = true
      @shut_down = false
      @expired = nil
    end

    # Returns the time that is left for a `synced`. It is infinite if no credential has expired.
    def left = @expired ? @end - now : Float::INFINITY

    # Raises CREDENTIALS_EXPIRED if the credentials were not renewed in time.
    def check
      raise @expired if left <= 0
    end

    # Returns the delay before the next call, or nil if the error ends the watch.
    def delay(error)
      synced = @synced
      @synced = false
      case error&.reason
      when Reason::CREDENTIALS_EXPIRED then renewal(error)
      when Reason::RECONNECT then synced ? 0 : backoff(error)
      when Reason::SHUTTING_DOWN
        delay = @shut_down ? backoff(error) : 0
        @shut_down = true
        delay
      else
        backoff(error) if error.nil? || transient?(error)
      end
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def renewal(error)
      return if @expired

      @expired = error
      @end = now + @renewal
      error.metadata["credential"] == "certificate" ? CERTIFICATE_DELAY : 0
    end

    # What the server asks for, and a random time: the next backoff, or up to half less.
    def backoff(error)
      delay = (error&.retry_delay || 0) + (@backoff * rand(0.5..1.0))
      @backoff = [2 * @backoff, BACKOFF.max].min
      delay
    end

    def transient?(error)
      case error.code
      when :UNAVAILABLE then true
      # The same request would fail again.
      when :RESOURCE_EXHAUSTED then error.reason != Reason::REQUEST_TOO_LARGE
      when *BROKEN then error.reason.nil?
      else false
      end
    end
  end
end
