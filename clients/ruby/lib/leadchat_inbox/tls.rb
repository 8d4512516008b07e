# frozen_string_literal: true

# Certificates for TLS, from strings or from files that are reread after a change.

require "openssl"

module LeadchatInbox
  # The authority of the server, and optionally the certificate and key of the caller, in PEM.
  # Without an authority, the roots of the grpc gem count. `server_name` is the name in the
  # certificate of the server, if that is not the host of the address.
  class TLS
    attr_reader :server_name

    def initialize(ca: nil, certificate: nil, key: nil, ca_file: nil, certificate_file: nil, key_file: nil,
                   server_name: nil)
      @server_name = server_name
      @strings = { ca: ca, key: key, certificate: certificate }
      @files = { ca: ca_file, key: key_file, certificate: certificate_file }.compact
      return if (@strings[:key] || @files[:key]).nil? == (@strings[:certificate] || @files[:certificate]).nil?

      raise ArgumentError, "a certificate and its key belong together: one of them is missing"
    end

    # Returns a value that changes when a file changes.
    def stamp
      @files.transform_values do |file|
        stat = File.stat(file)
        [stat.ino, stat.size, stat.mtime]
      end
    end

    # Makes credentials of gRPC from the present contents. A key of another certificate is an error.
    def credentials
      pem = @strings.merge(@files.transform_values { |file| File.read(file) })
      check(pem[:certificate], pem[:key]) if pem[:key]
      GRPC::Core::ChannelCredentials.new(pem[:ca], pem[:key], pem[:certificate])
    end

    def inspect = "#<#{self.class}#{" with a certificate" if @strings[:certificate] || @files[:certificate]}>"

    private

    def check(certificate, key)
      # The empty password keeps OpenSSL from asking for one.
      return if OpenSSL::X509::Certificate.new(certificate).check_private_key(OpenSSL::PKey.read(key, ""))

      raise ArgumentError, "the key is not that of the certificate"
    end
  end
end
