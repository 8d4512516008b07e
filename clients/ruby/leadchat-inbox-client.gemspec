# frozen_string_literal: true

# The gem: the thin layer, and the generated code that `build` puts beside it.

require_relative "lib/leadchat_inbox/version"

Gem::Specification.new do |spec|
  spec.name = "leadchat-inbox-client"
  spec.version = LeadchatInbox::VERSION
  spec.summary = "Client of leadchat-inbox: inboxes as a viewer may see them"
  spec.authors = ["leadchat"]
  spec.license = "MIT"
  spec.files = Dir["lib/**/*.rb", "README.md"]
  spec.required_ruby_version = ">= 3.1"

  spec.add_runtime_dependency "google-protobuf", "~> 3.21"
  spec.add_runtime_dependency "googleapis-common-protos-types", "~> 1.4"
  spec.add_runtime_dependency "grpc", ">= 1.51", "< 2"
end
