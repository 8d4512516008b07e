// The forms of addresses, and where plaintext is allowed.

package io.leadchat.inbox;

import java.util.List;

/** One {@code host:port}, several of them, or one {@code unix:/path}. */
final class Addresses {
  private Addresses() {}

  static void check(List<String> addresses, boolean tls) {
    if (addresses.isEmpty()) {
      throw new IllegalArgumentException("there is no address");
    }
    for (String address : addresses) {
      if (isUnix(address)) {
        if (addresses.size() > 1 || tls) {
          throw new IllegalArgumentException(address + " has to be alone and without TLS");
        }
      } else if (!tls && !isLoopback(host(address))) {
        throw new IllegalArgumentException(address + " is no loopback address, so it needs TLS");
      } else {
        port(address);
      }
    }
  }

  static boolean isUnix(String address) {
    return address.startsWith("unix:");
  }

  static String host(String address) {
    String host = address.substring(0, colon(address));
    return host.startsWith("[") && host.endsWith("]")
        ? host.substring(1, host.length() - 1)
        : host;
  }

  static int port(String address) {
    try {
      return Integer.parseInt(address.substring(colon(address) + 1));
    } catch (NumberFormatException e) {
      throw unusable(address);
    }
  }

  private static int colon(String address) {
    int colon = address.lastIndexOf(':');
    if (colon < 1) {
      throw unusable(address);
    }
    return colon;
  }

  private static boolean isLoopback(String host) {
    return host.equals("localhost") || host.equals("::1") || host.matches("127(\\.\\d{1,3}){3}");
  }

  private static IllegalArgumentException unusable(String address) {
    return new IllegalArgumentException(
        address + " is neither host:port nor unix:/path; give several host:port as a list");
  }
}
