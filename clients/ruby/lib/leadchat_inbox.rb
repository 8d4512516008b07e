# frozen_string_literal: true

# A client of leadchat-inbox: a thin layer over the generated stub.
#
# Loading it does not start gRPC. The first call does, in the process that makes it.

require "grpc"
# The generated messages, `LeadchatInbox::V1`. They are the types of the client.
require "leadchat/inbox/v1/inbox_service_services_pb"

require_relative "leadchat_inbox/version"
require_relative "leadchat_inbox/reason"
require_relative "leadchat_inbox/error"
require_relative "leadchat_inbox/address"
require_relative "leadchat_inbox/tls"
require_relative "leadchat_inbox/connection"
require_relative "leadchat_inbox/isolation"
require_relative "leadchat_inbox/holding"
require_relative "leadchat_inbox/resumption"
require_relative "leadchat_inbox/silence"
require_relative "leadchat_inbox/watch"
require_relative "leadchat_inbox/cache"
require_relative "leadchat_inbox/client"
