# frozen_string_literal: true

# The mode `watch`: caches, while rows change, a replica stops, and tokens end. Each line of stdin
# begins a step.

SYNC_TIMEOUT = 30
COMPARE_TIMEOUT = 10
FORGET_TIMEOUT = 20
RENEW_WAIT = 12
MAX_AGE = 17
EXPIRE_TIMEOUT = 30

def run_watch
  client = LeadchatInbox::Client.new(SERVERS.fetch("replicas"))
  administrator, agent = caches = [1, 2].map { |user| LeadchatInbox::InboxCache.new(client, **of_user(user)) }
  caches.each { |cache| cache.wait_synced(SYNC_TIMEOUT) }
  puts JSON.generate(ready: true)
  $stdin.each_line do |line|
    case line.strip
    when "compare"
      begin_time = Time.now
      report("cache/administrator", "replicas") { compare(client, administrator, 1, begin_time) }
      report("cache/agent", "replicas") { compare(client, agent, 2, begin_time) }
    when "forget"
      report("cache/forgets", "replicas") do
        forgets(agent, LeadchatInbox::Reason::ACCESS_DENIED, FORGET_TIMEOUT) || goes_on(administrator)
      end
    when "renew"
      report("cache/renewed", "tls") do
        while_token_ends("renewed") do |cache|
          sleep(RENEW_WAIT)
          goes_on(cache)
        end
      end
    when "expire"
      report("cache/expired", "tls") do
        while_token_ends("expired") do |cache|
          forgets(cache, LeadchatInbox::Reason::CREDENTIALS_EXPIRED, EXPIRE_TIMEOUT)
        end
      end
      break
    else raise "unknown step #{line}"
    end
  end
end

def of_user(user) = { account_id: 1, viewer: { user_id: user }, detail: :INBOX_DETAIL_FULL }

# Asks until the block is true.
def wait_until(seconds)
  deadline = Time.now + seconds
  until (held = yield)
    return false if Time.now >= deadline

    sleep(0.05)
  end
  held
end

# Compares a cache with the list, once it is newer than the step by a second.
def compare(client, cache, user, begin_time)
  return "it is old: #{cache.age} s" unless wait_until(SYNC_TIMEOUT) { cache.read_time > begin_time + 1 }

  problem = nil
  wait_until(COMPARE_TIMEOUT) do
    listed = client.inboxes(**of_user(user), freshness: :FRESHNESS_LATEST).to_a
    problem = cache_difference(listed, cache)
    problem.nil?
  end
  problem
end

def cache_difference(listed, cache)
  expected, got = [listed, cache.list].map { |inboxes| inboxes.map(&:id) }
  return "the list has #{expected}, and the cache has #{got}" if expected != got

  other = listed.find { |inbox| cache.get(inbox.id) != inbox }
  other && "inbox #{other.id} differs"
end

def forgets(cache, reason, seconds)
  wait_until(seconds) { cache.error }
  return "it has not ended: its age is #{cache.age} s" if cache.error.nil?
  return "it has ended with #{cache.error.inspect}" if cache.error.reason != reason

  reads = [-> { cache.list }, -> { cache.get(1) }].map do |read|
    read.call
  rescue LeadchatInbox::Error => e
    e
  end
  "its reads return #{reads}" if reads.any? { |value| !value.equal?(cache.error) }
end

def goes_on(cache)
  return "it has ended with #{cache.error.inspect}" if cache.error
  return "its age is #{cache.age} s" if cache.age >= MAX_AGE

  "it is empty" if cache.list.empty?
end

# Opens a cache with a token that ends soon.
def while_token_ends(name)
  user = client("tls", name)
  cache = LeadchatInbox::InboxCache.new(user, account_id: 1, viewer: { service: {} }, detail: :INBOX_DETAIL_BASIC)
  cache.wait_synced(SYNC_TIMEOUT)
  puts JSON.generate(opened: true)
  yield cache
ensure
  user&.close
end
