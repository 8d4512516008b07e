# frozen_string_literal: true

# Calls in a process of their own, for a process that forks later.
#
# The grpc gem cannot be used before and after a fork. A process that forks later therefore
# leaves its calls to short-lived processes, and never starts gRPC itself.

module LeadchatInbox
  # Runs a block in a forked process.
  module Isolation
    module_function

    # Returns the value of the block, or raises its error. Both pass through Marshal. The process
    # has this many seconds.
    def run(seconds, &block)
      reader, writer = IO.pipe(binmode: true)
      pid = Process.fork { answer(reader, writer, &block) }
      writer.close
      unless reader.wait_readable(seconds)
        Process.kill(:KILL, pid)
        raise Error.new("the process of the call did not answer in time", code: :DEADLINE_EXCEEDED)
      end

      # With its length: another process may have inherited the pipe, so that it does not end.
      length = reader.read(4)
      raise Error.new("the process of the call ended without an answer", code: :UNAVAILABLE) if length.nil?

      value = Marshal.load(reader.read(length.unpack1("N"))) # From this program's own process.
      value.is_a?(StandardError) ? raise(value) : value
    ensure
      Process.detach(pid) if pid
      [reader, writer].each { |pipe| pipe&.close }
    end

    # Handlers of the parent at its exit must not run here, so the process ends with exit!.
    def answer(reader, writer)
      reader.close
      value = begin
        yield
      rescue StandardError => e
        e.is_a?(Error) || e.is_a?(IOError) ? e : RuntimeError.new("#{e.class}: #{e.message}")
      end
      bytes = Marshal.dump(value)
      writer.write([bytes.bytesize].pack("N"), bytes)
      writer.close
    ensure
      exit!(0)
    end
  end
end
