# frozen_string_literal: true

# A limit to the time of a wait.

module LeadchatInbox
  # Runs a block if a wait takes too long. It has a thread until it is stopped.
  class Silence
    # The block is run again after so many seconds: there may have been nothing to end yet.
    REPETITION = 1

    def initialize(&block)
      @block = block
      @lock = Mutex.new
      @changed = ConditionVariable.new
      @thread = Thread.new { run }
    end

    # Returns the value of the block, which waits.
    def limit(seconds)
      @lock.synchronize do
        @deadline = now + seconds
        @changed.signal
      end
      yield
    ensure
      @lock.synchronize { @deadline = nil }
    end

    def stop
      @lock.synchronize do
        @stopped = true
        @changed.signal
      end
      @thread.join
    end

    private

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

    def run
      @lock.synchronize do
        until @stopped
          @changed.wait(@lock, @deadline && [@deadline - now, 0].max)
          next if @stopped || @deadline.nil? || now < @deadline

          @deadline = now + REPETITION
          @block.call
        end
      end
    end
  end
end
