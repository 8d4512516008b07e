# frozen_string_literal: true

# Addresses of servers, and the targets of gRPC that they make.

require "ipaddr"
require "socket"

module LeadchatInbox
  # Functions on addresses: `host:port`, `unix:/path`, or a list of `host:port`.
  module Address
    module_function

    # Whether the address is a Unix socket.
    def unix?(address) = address.start_with?("unix:")

    # Whether calls to the address stay on this machine.
    def local?(address)
      return true if unix?(address)

      host, = split(address)
      host == "localhost" || IPAddr.new(host).loopback?
    rescue IPAddr::Error
      false
    end

    # Returns the target of gRPC. C core takes a list of IP addresses only, so names are looked up.
    def target(addresses)
      return addresses.first if addresses.one?

      found = addresses.map { |address| [split(address).last, look_up(*split(address))] }
      { "ipv4" => :ipv4?, "ipv6" => :ipv6? }.each do |scheme, kind|
        next unless found.all? { |_, ips| ips.any?(&kind) }

        list = found.flat_map do |port, ips|
          ips.select(&kind).map { |ip| ip.ipv6? ? "[#{ip.ip_address}]:#{port}" : "#{ip.ip_address}:#{port}" }
        end
        return "#{scheme}:#{list.join(",")}"
      end
      raise ArgumentError, "the replicas need IP addresses of one family"
    end

    # Returns the host, without brackets, and the port.
    def split(address)
      match = /\A(?:\[(?<ip>[^\]]+)\]|(?<name>[^:\[\]\/]+)):(?<port>\d+)\z/.match(address)
      raise ArgumentError, "#{address.inspect} is neither host:port nor unix:/path" unless match

      [match[:ip] || match[:name], match[:port]]
    end

    def look_up(host, port) = Addrinfo.getaddrinfo(host, port, nil, :STREAM)
  end
end
