// Addresses, credentials and limits of a client.

package io.leadchat.inbox;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.CompositeChannelCredentials;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.NameResolverRegistry;
import io.grpc.TlsChannelCredentials;
import io.grpc.util.CertificateUtils;
import io.leadchat.inbox.v1.InboxServiceGrpc;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Makes an {@link InboxClient}. Plaintext is for loopback addresses and Unix sockets only. A file
 * that cannot be read or used makes an IllegalArgumentException, whose cause has more.
 */
public final class InboxClientBuilder {
  /** The time-out of a call that has no other. */
  public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(5);

  // An HTTP/2 ping is sent after this time without a byte, while there are calls.
  private static final Duration KEEPALIVE_TIME = Duration.ofSeconds(20);
  private static final Duration KEEPALIVE_TIMEOUT = Duration.ofSeconds(10);

  // Every RPC only reads, so every call may be retried. RESOURCE_EXHAUSTED is not retried, since
  // a request that is too large has that code too. A watch goes on by itself, with what it holds.
  private static final Map<String, ?> SERVICE_CONFIG = Map.of(
      "loadBalancingConfig", List.of(Map.of("round_robin", Map.of())),
      "methodConfig", List.of(
          Map.of("name", List.of(Map.of(
              "service", InboxServiceGrpc.SERVICE_NAME,
              "method", InboxServiceGrpc.getWatchInboxesMethod().getBareMethodName()))),
          Map.of(
              "name", List.of(Map.of("service", InboxServiceGrpc.SERVICE_NAME)),
              "retryPolicy", Map.of(
                  "maxAttempts", 3.0,
                  "initialBackoff", "1s",
                  "maxBackoff", "10s",
                  "backoffMultiplier", 2.0,
                  "retryableStatusCodes", List.of("UNAVAILABLE")))));

  private final List<String> addresses;
  private boolean tls;
  private byte[] ca;
  private Path certificate;
  private Path key;
  private String serverName;
  private Supplier<String> token;
  private Duration timeout = DEFAULT_TIMEOUT;
  private int maxResponseBytes = 4 * 1024 * 1024;

  InboxClientBuilder(List<String> addresses) {
    this.addresses = addresses;
  }

  /** Connects over TLS, to a server whose certificate an authority of the Java runtime signed. */
  public InboxClientBuilder tls() {
    tls = true;
    return this;
  }

  /** Connects over TLS, to a server whose certificate one of these authorities signed, in PEM. */
  public InboxClientBuilder tls(byte[] ca) {
    this.ca = ca.clone();
    return tls();
  }

  /**
   * Connects over TLS, with the authorities of a file in PEM. The file is read once.
   *
   * @throws IllegalArgumentException if the file cannot be read
   */
  public InboxClientBuilder tls(Path ca) {
    try {
      return tls(Files.readAllBytes(ca));
    } catch (IOException e) {
      throw new IllegalArgumentException("the authorities cannot be read", e);
    }
  }

  /**
   * Connects over TLS, and sets the name that all certificates of the server have to be for. By
   * default the certificate of each replica has to be for its own host.
   */
  public InboxClientBuilder serverName(String name) {
    serverName = name;
    return tls();
  }

  /**
   * Presents a certificate of the caller, over TLS. Both files are in PEM; the key is in PKCS #8,
   * RSA or EC. They are read by {@link #build}, and anew for each connection.
   */
  public InboxClientBuilder certificate(Path certificate, Path key) {
    this.certificate = certificate;
    this.key = key;
    return tls();
  }

  /**
   * Sends the caller's token, without white space around it. The supplier is asked for each attempt
   * of each call. If it fails, or its token is not visible ASCII, the call fails with
   * UNAUTHENTICATED.
   */
  public InboxClientBuilder token(Supplier<String> token) {
    this.token = token;
    return this;
  }

  /**
   * Sets the time-out of calls that have neither a deadline nor a time-out of their own. A watch
   * has no time-out.
   */
  public InboxClientBuilder timeout(Duration timeout) {
    this.timeout = timeout;
    return this;
  }

  /** Sets the largest response. The default is 4 MiB, that of gRPC. */
  public InboxClientBuilder maxResponseBytes(int bytes) {
    maxResponseBytes = bytes;
    return this;
  }

  /** Returns a supplier that reads a file anew each time. */
  public static Supplier<String> tokenFile(Path file) {
    return () -> {
      try {
        return Files.readString(file);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    };
  }

  /**
   * Makes the client, which connects with the first call.
   *
   * @throws IllegalArgumentException if an address, or a file of TLS, cannot be used
   */
  public InboxClient build() {
    Addresses.check(addresses, tls);
    ChannelCredentials credentials = tls ? tlsCredentials() : InsecureChannelCredentials.create();
    if (token != null) {
      credentials =
          CompositeChannelCredentials.create(credentials, new Bearer("authorization", token));
    }
    ManagedChannelBuilder<?> builder = channelBuilder(credentials)
        .defaultServiceConfig(SERVICE_CONFIG)
        .maxInboundMessageSize(maxResponseBytes)
        .keepAliveTime(KEEPALIVE_TIME.toSeconds(), TimeUnit.SECONDS)
        .keepAliveTimeout(KEEPALIVE_TIMEOUT.toSeconds(), TimeUnit.SECONDS)
        .intercept(new Timeout(timeout));
    if (serverName != null) {
      builder.overrideAuthority(serverName);
    }
    ManagedChannel channel = builder.build();
    return new InboxClient(channel, InboxServiceGrpc.newBlockingStub(channel));
  }

  private ManagedChannelBuilder<?> channelBuilder(ChannelCredentials credentials) {
    String first = addresses.get(0);
    if (Addresses.isUnix(first)) {
      // By default the authority is the path, which HTTP/2 does not allow.
      return Grpc.newChannelBuilder(first, credentials).overrideAuthority("localhost");
    }
    // A target of gRPC's own resolver cannot have an IPv6 address in brackets.
    return addresses.size() == 1 && !first.startsWith("[")
        ? Grpc.newChannelBuilder("dns:///" + first, credentials)
        : Grpc.newChannelBuilder(Replicas.TARGET, credentials, replicas());
  }

  private NameResolverRegistry replicas() {
    return Replicas.registry(addresses, serverName == null);
  }

  private ChannelCredentials tlsCredentials() {
    TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
    try {
      if (ca != null) {
        if (CertificateUtils.getX509Certificates(new ByteArrayInputStream(ca)).length == 0) {
          throw new CertificateException("there is no authority");
        }
        builder.trustManager(new ByteArrayInputStream(ca));
      }
      if (certificate != null) {
        builder.keyManager(new FileKeyManager(certificate, key));
      }
    } catch (IOException | GeneralSecurityException e) {
      throw new IllegalArgumentException("authorities, certificate or key cannot be used", e);
    }
    return builder.build();
  }

  /**
   * Gives a deadline to each unary call that has none, neither in its options nor in its context. A
   * watch goes on until it is closed.
   */
  private static final class Timeout implements ClientInterceptor {
    private final Duration byDefault;

    Timeout(Duration byDefault) {
      this.byDefault = byDefault;
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(
        MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      if (options.getDeadline() != null || method.getType() != MethodDescriptor.MethodType.UNARY) {
        return next.newCall(method, options);
      }
      Duration timeout = options.getOption(InboxClient.TIMEOUT);
      if (timeout == null && Context.current().getDeadline() == null) {
        timeout = byDefault;
      }
      return next.newCall(method, timeout == null
          ? options : options.withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS));
    }
  }
}
