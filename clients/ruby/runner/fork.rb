# frozen_string_literal: true

# A process that forks, as puma and Sidekiq do: fork.rb ADDRESS. Prints one JSON object.

require "json"
gem "leadchat-inbox-client"
require "leadchat_inbox"

CLIENT = LeadchatInbox::Client.new(ARGV.fetch(0))
FIELDS = { account_id: 1, inbox_id: 3, viewer: { user_id: 1 } }.freeze
MISSING = FIELDS.merge(inbox_id: 99).freeze

def clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)

# Forks a process that writes the block's string, and returns that, its status and its seconds.
def child(hard_exit: false)
  reader, writer = IO.pipe
  start = clock
  pid = fork do
    reader.close
    writer.write(yield)
    writer.close
    hard_exit ? exit!(0) : exit
  end
  writer.close
  text = reader.read
  Process.wait(pid)
  [text, Process.last_status.exitstatus, clock - start]
end

def name(client) = client.get(**FIELDS).inbox.name

# The parent calls before the fork, each time in a process of its own.
before = [name(CLIENT.isolated), CLIENT.isolated.call(:GetInbox, **FIELDS).headers.key?("x-request-id")]
isolated_error = begin
  CLIENT.isolated.get(**MISSING)
rescue LeadchatInbox::Error => e
  [e.code, e.reason == LeadchatInbox::Reason::INBOX_NOT_FOUND, !e.request_id.nil?]
end
# Two children use the client of the parent, and end as any process does.
children = Array.new(2) { child { [name(CLIENT), name(CLIENT)].join(",") } }
# The parent calls itself, and forks once more.
after = name(CLIENT)
late = child(hard_exit: true) do
  name(CLIENT)
rescue LeadchatInbox::ForkError => e
  GC.start
  e.message
end
again = Array.new(5) { name(CLIENT) }.uniq

puts JSON.generate(before: before, isolated_error: isolated_error, children: children, after: after,
                   late: late, again: again)
