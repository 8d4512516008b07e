# frozen_string_literal: true

# Loads the client under the name of its gem, as Bundler does.

require_relative "leadchat_inbox"
