# frozen_string_literal: true

# The conformance runner: main.rb MODE SERVERS_FILE CONFORMANCE_FILE.

require "json"
gem "leadchat-inbox-client"
require "leadchat_inbox"

$stdout.sync = true
mode, servers, conformance = ARGV
SERVERS = JSON.parse(File.read(servers))
SERVERS_FILE = File.expand_path(servers)

# Prints the line of a case. The block returns what is wrong, or nil.
def report(name, endpoint)
  problem = begin
    yield
  rescue StandardError, NotImplementedError => e
    "raised #{e.class}: #{e.message}"
  end
  line = { case: name, endpoint: endpoint, ok: problem.nil? }
  line[:problem] = problem[0, 400] unless problem.nil?
  puts JSON.generate(line)
end

# Returns a client of an endpoint, as the caller of a name.
def client(endpoint, caller_name = nil, **settings)
  server = SERVERS.fetch(endpoint)
  caller_files = caller_name ? SERVERS.fetch("callers").fetch(caller_name) : {}
  if server["ca"]
    settings[:tls] = LeadchatInbox::TLS.new(ca_file: server["ca"], certificate_file: caller_files["certificate"],
                                            key_file: caller_files["key"])
  end
  token = caller_files["token"]
  settings[:token] = -> { File.read(token) } if token
  LeadchatInbox::Client.new(server.fetch("address"), **settings)
end

def viewer_token(user) = File.read(SERVERS.fetch("viewer_tokens").fetch(user))

case mode
when "cases"
  require_relative "cases"
  run_cases(JSON.parse(File.read(conformance)).fetch("cases"))
when "replicas"
  require_relative "replicas"
  run_replicas
when "watch"
  require_relative "watch"
  run_watch
when "idioms"
  require_relative "idioms"
  run_idioms
else
  abort "unknown mode #{mode}: cases, replicas, idioms or watch"
end
