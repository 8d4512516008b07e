# frozen_string_literal: true

# The mode `replicas`: calls to a list of replicas, while one of them is stopped.

LOOPS = 4
SECONDS = 4

def run_replicas
  client = LeadchatInbox::Client.new(SERVERS.fetch("replicas"), timeout: 5)
  lock = Mutex.new
  calls = 0
  problems = []
  finish = nil

  loops = Array.new(LOOPS) do
    Thread.new do
      until finish && Process.clock_gettime(Process::CLOCK_MONOTONIC) > finish
        problem = begin
          client.get(account_id: 1, inbox_id: 1, viewer: { user_id: 1 })
          nil
        rescue LeadchatInbox::Error => e
          e.message
        end
        lock.synchronize do
          calls += 1
          problems << problem if problem
          if calls == 20
            puts JSON.generate(ready: true)
            finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + SECONDS
          end
        end
      end
    end
  end
  loops.each(&:join)
  puts JSON.generate(calls: calls, failed: problems.size, problems: problems.first(5))
end
