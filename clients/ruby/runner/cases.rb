# frozen_string_literal: true

# The mode `cases`: each case of the conformance file, through the public API.

METHODS = { "GetInbox" => :get, "ListInboxes" => :list, "BatchGetInboxes" => :batch,
            "FindInboxes" => :find, "ExplainAccess" => :explain }.freeze

def run_cases(cases)
  cases.each do |entry|
    if entry["message"]
      report(entry["name"], "-") { decode(entry) }
    elsif entry["status"]
      report(entry["name"], "-") { map_status(entry) }
    else
      endpoints = entry["caller"] ? ["tls"] : %w[plain unix]
      endpoints.each { |endpoint| report(entry["name"], endpoint) { call(entry, endpoint) } }
    end
  end
end

def decode(entry)
  message = LeadchatInbox::V1.const_get(entry["message"]).decode(entry["bytes"].unpack1("m"))
  difference(entry["response"], JSON.parse(message.to_json))
end

def map_status(entry)
  status = entry["status"]
  error = LeadchatInbox::Error.from_status(status["code"], status["message"], status["details"].to_s.unpack1("m"))
  error_difference(entry["error"], error)
end

def call(entry, endpoint)
  settings = { metadata: entry["request_metadata"] || {} }
  settings[:viewer_token] = viewer_token(entry["viewer_token"]) if entry["viewer_token"]
  settings[:timeout] = entry["timeout_ms"] / 1000.0 if entry["timeout_ms"]
  answer(entry, client(endpoint, entry["caller"]).with(**settings))
rescue LeadchatInbox::Error => e
  entry["error"] ? error_difference(entry["error"], e) : "expected a response, got #{e.inspect}"
end

def answer(entry, client)
  if entry["pages"]
    request = LeadchatInbox::V1::ListInboxesRequest.decode_json(JSON.generate(entry["request"]))
    return difference(entry["ids"], client.inboxes(request).map { |inbox| inbox.id.to_s })
  end

  return difference(entry["events"], events(entry, client), "events") if entry["method"] == "WatchInboxes"

  rpc = entry["method"].to_sym
  input = LeadchatInbox::V1::InboxService::Service.rpc_descs.fetch(rpc).input
  request = input.decode_json(JSON.generate(entry["request"]))
  if entry["response_metadata"]
    reply = client.call(rpc, request)
    response = reply.message
  else
    response = client.public_send(METHODS.fetch(entry["method"]), request)
  end
  return "expected an error, got a response" if entry["error"]

  found = difference(entry["response"], JSON.parse(response.to_json)) if entry["response"]
  found || header_difference(entry["response_metadata"] || {}, reply&.headers)
end

# Returns the events up to the first `synced`. The stub does not resume.
def events(entry, client)
  request = LeadchatInbox::V1::WatchInboxesRequest.decode_json(JSON.generate(entry["request"]))
  operation = client.stub.watch_inboxes(request, return_op: true, metadata: client.metadata)
  found = []
  operation.execute.each do |response|
    found << JSON.parse(response.to_json)
    break if response.event == :synced
  end
  found
rescue GRPC::BadStatus => e
  raise LeadchatInbox::Error.from_grpc(e, operation.metadata)
ensure
  operation&.cancel
end

def header_difference(expected, headers)
  expected.each do |name, value|
    found = difference(value, Array(headers[name]).first, "header #{name}")
    return found if found
  end
  nil
end

def error_difference(expected, error)
  got = {
    "code" => error.code.to_s, "reason" => error.reason.to_s, "known" => error.reason&.known? || false,
    "metadata" => error.metadata, "fields" => error.fields.map(&:field),
    "retry_delay_seconds" => error.retry_delay, "request_id" => error.request_id
  }
  difference(expected, got.slice(*expected.keys), "error")
end

# Returns the first difference, or nil. The expected string "…" is any but the empty one.
def difference(expected, got, path = "response")
  return if expected == "…" && got.is_a?(String) && !got.empty?

  case [expected, got]
  in [Hash, Hash]
    return "#{path}: expected keys #{expected.keys.sort}, got #{got.keys.sort}" if expected.keys.sort != got.keys.sort

    first_difference(expected.keys.map { |key| [expected[key], got[key], "#{path}.#{key}"] })
  in [Array, Array]
    return "#{path}: expected #{expected.size} entries, got #{got.size}" if expected.size != got.size

    first_difference(expected.zip(got).each_with_index.map { |(left, right), at| [left, right, "#{path}[#{at}]"] })
  else
    expected == got ? nil : "#{path}: expected #{JSON.generate(expected)} got #{JSON.generate(got)}"
  end
end

def first_difference(triples)
  triples.each do |left, right, path|
    found = difference(left, right, path)
    return found if found
  end
  nil
end
