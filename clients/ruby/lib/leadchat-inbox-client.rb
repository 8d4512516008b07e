# Loads the client under the name of its gem, as Bundler does.
# frozen_string_literal: true

require_relative "leadchat_inbox"
