# Certificates for TLS, from texts or from files that are reread after a change.
# frozen_string_literal: true

require "openssl"

module LeadchatInbox
  # The authority of the server, and optionally the certificate and key of the caller, in PEM.
  # Without an authority, the roots of the grpc gem count.
  class TLS
    def initialize(ca: nil, certificate: nil, key: nil, ca_file: nil, certificate_file: nil, key_file: nil)
      @texts = { ca: ca, key: key, certificate: certificate }
      @files = { ca: ca_file, key: key_file, certificate: certificate_file }.compact
      return if (@texts[:key] || @files[:key]).nil? == (@texts[:certificate] || @files[:certificate]).nil?

      raise ArgumentError, "a certificate and its key belong together"
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
      pem = @texts.merge(@files.transform_values { |file| File.read(file) })
      check(pem[:certificate], pem[:key]) if pem[:key]
      GRPC::Core::ChannelCredentials.new(pem[:ca], pem[:key], pem[:certificate])
    end

    def inspect = "#<#{self.class}#{" with a certificate" if @texts[:certificate] || @files[:certificate]}>"

    private

    def check(certificate, key)
      # The empty password keeps OpenSSL from asking for one.
      return if OpenSSL::X509::Certificate.new(certificate).check_private_key(OpenSSL::PKey.read(key, ""))

      raise ArgumentError, "the key is not that of the certificate"
    end
  end
end
