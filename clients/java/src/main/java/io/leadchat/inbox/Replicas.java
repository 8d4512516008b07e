// A resolver of a list of addresses, which gRPC for Java does not have.

package io.leadchat.inbox;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;

/** Resolves one fixed list. The registry of one channel has it, and nothing else. */
final class Replicas extends NameResolverProvider {
  private static final String SCHEME = "replicas";
  static final String TARGET = SCHEME + ":///";

  private final List<String> addresses;
  private final boolean ownNames;

  private Replicas(List<String> addresses, boolean ownNames) {
    this.addresses = addresses;
    this.ownNames = ownNames;
  }

  /** With own names, the certificate of each replica has to be for its own host. */
  static NameResolverRegistry registry(List<String> addresses, boolean ownNames) {
    NameResolverRegistry registry = new NameResolverRegistry();
    registry.register(new Replicas(addresses, ownNames));
    return registry;
  }

  @Override
  protected boolean isAvailable() {
    return true;
  }

  @Override
  protected int priority() {
    return 5;
  }

  @Override
  public String getDefaultScheme() {
    return SCHEME;
  }

  @Override
  public NameResolver newNameResolver(URI target, NameResolver.Args args) {
    return new Resolver(args);
  }

  /** Resolves the host names anew for each refresh; addresses in digits need no resolution. */
  private final class Resolver extends NameResolver {
    private final Args args;
    private Listener2 listener;
    private boolean busy;

    Resolver(Args args) {
      this.args = args;
    }

    @Override
    public String getServiceAuthority() {
      return addresses.get(0);
    }

    @Override
    public void start(Listener2 listener) {
      this.listener = listener;
      refresh();
    }

    // The channel calls this, start and shutdown in its synchronization context.
    @Override
    public void refresh() {
      if (busy || listener == null) {
        return;
      }
      busy = true;
      args.getOffloadExecutor().execute(() -> {
        ResolutionResult result =
            ResolutionResult.newBuilder().setAddressesOrError(resolve()).build();
        args.getSynchronizationContext().execute(() -> {
          busy = false;
          if (listener != null) {
            listener.onResult2(result);
          }
        });
      });
    }

    @Override
    public void shutdown() {
      listener = null;
    }
  }

  private StatusOr<List<EquivalentAddressGroup>> resolve() {
    List<EquivalentAddressGroup> groups = new ArrayList<>();
    for (String address : addresses) {
      Attributes attributes = !ownNames ? Attributes.EMPTY
          : Attributes.newBuilder()
              .set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, address).build();
      try {
        for (InetAddress resolved : InetAddress.getAllByName(Addresses.host(address))) {
          groups.add(new EquivalentAddressGroup(
              new InetSocketAddress(resolved, Addresses.port(address)), attributes));
        }
      } catch (UnknownHostException e) {
        // The other replicas remain.
      }
    }
    return groups.isEmpty()
        ? StatusOr.fromStatus(Status.UNAVAILABLE.withDescription("no replica is found by its name"))
        : StatusOr.fromValue(groups);
  }
}
