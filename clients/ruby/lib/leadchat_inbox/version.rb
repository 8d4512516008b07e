# The version of the gem.
# frozen_string_literal: true

module LeadchatInbox
  VERSION = "0.1.0"
end
