# Calls in a process of their own, for a process that forks later.
#
# The grpc gem cannot be used before and after a fork. A process that forks later therefore
# leaves its calls to short-lived processes, and never starts gRPC itself.
# frozen_string_literal: true

module LeadchatInbox
  # Runs a block in a forked process.
  module Isolation
    module_function

    # Returns the value of the block, or raises its error. Both pass through Marshal.
    def run(&block)
      reader, writer = IO.pipe(binmode: true)
      Process.detach(Process.fork { answer(reader, writer, &block) })
      writer.close
      bytes = reader.read
      raise Error.new("the process of the call ended without an answer", code: :UNAVAILABLE) if bytes.empty?

      value = Marshal.load(bytes) # From this program's own process.
      value.is_a?(StandardError) ? raise(value) : value
    ensure
      [reader, writer].each { |pipe| pipe&.close }
    end

    # Handlers of the parent at its exit must not run here, so the process ends with exit!.
    def answer(reader, writer)
      reader.close
      value = begin
        yield
      rescue StandardError => e
        e.is_a?(Error) ? e : RuntimeError.new("#{e.class}: #{e.message}")
      end
      writer.write(Marshal.dump(value))
      writer.close
    ensure
      exit!(0)
    end
  end
end
