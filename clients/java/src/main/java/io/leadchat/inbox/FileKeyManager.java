// The caller's certificate and key, read anew from their files for each connection.

package io.leadchat.inbox;

import io.grpc.util.CertificateUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;

/**
 * A handshake chooses an alias, and then takes the certificate and key of this alias. While the
 * files cannot be read or do not match, the last pair stays in use.
 *
 * <p>gRPC's {@code AdvancedTlsX509KeyManager} looks at the files once a minute at most, and only
 * notices a new certificate that comes with a new key.
 */
final class FileKeyManager extends X509ExtendedKeyManager {
  private final Path certificate;
  private final Path key;
  private Pair last;
  // For handshakes that began before the renewal.
  private Pair previous;

  FileKeyManager(Path certificate, Path key) throws IOException, GeneralSecurityException {
    this.certificate = certificate;
    this.key = key;
    this.last = read(0);
  }

  @Override
  public synchronized String chooseEngineClientAlias(
      String[] keyTypes, Principal[] issuers, SSLEngine engine) {
    try {
      Pair now = read(last.revision + 1);
      if (!now.equalBytes(last)) {
        previous = last;
        last = now;
      }
    } catch (IOException | GeneralSecurityException e) {
      // The last pair stays in use.
    }
    return last.alias();
  }

  @Override
  public synchronized X509Certificate[] getCertificateChain(String alias) {
    Pair pair = pair(alias);
    return pair == null ? null : pair.chain.clone();
  }

  @Override
  public synchronized PrivateKey getPrivateKey(String alias) {
    Pair pair = pair(alias);
    return pair == null ? null : pair.key;
  }

  private Pair pair(String alias) {
    if (last.alias().equals(alias)) {
      return last;
    }
    return previous != null && previous.alias().equals(alias) ? previous : null;
  }

  private Pair read(int revision) throws IOException, GeneralSecurityException {
    return new Pair(Files.readAllBytes(certificate), Files.readAllBytes(key), revision);
  }

  @Override
  public String chooseClientAlias(String[] keyTypes, Principal[] issuers, Socket socket) {
    return chooseEngineClientAlias(keyTypes, issuers, null);
  }

  @Override
  public synchronized String[] getClientAliases(String keyType, Principal[] issuers) {
    return new String[] {last.alias()};
  }

  @Override
  public String[] getServerAliases(String keyType, Principal[] issuers) {
    return null;
  }

  @Override
  public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
    return null;
  }

  /** A certificate, with its intermediate ones, and its key. */
  private static final class Pair {
    final byte[] chainBytes;
    final byte[] keyBytes;
    final int revision;
    final X509Certificate[] chain;
    final PrivateKey key;

    Pair(byte[] chainBytes, byte[] keyBytes, int revision)
        throws IOException, GeneralSecurityException {
      this.chainBytes = chainBytes;
      this.keyBytes = keyBytes;
      this.revision = revision;
      try {
        chain = CertificateUtils.getX509Certificates(new ByteArrayInputStream(chainBytes));
        key = CertificateUtils.getPrivateKey(new ByteArrayInputStream(keyBytes));
      } catch (RuntimeException e) {
        throw new CertificateException("certificate or key is not in PEM");
      }
      if (chain.length == 0 || !matches(chain[0].getPublicKey(), key)) {
        throw new CertificateException("certificate and key do not match");
      }
    }

    // A key matches if the certificate verifies its signature.
    private static boolean matches(PublicKey of, PrivateKey key) throws GeneralSecurityException {
      if (!of.getAlgorithm().equals(key.getAlgorithm())) {
        return false;
      }
      String algorithm = key.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "SHA256withRSA";
      Signature signature = Signature.getInstance(algorithm);
      signature.initSign(key);
      byte[] signed = signature.sign();
      signature.initVerify(of);
      return signature.verify(signed);
    }

    boolean equalBytes(Pair other) {
      return Arrays.equals(chainBytes, other.chainBytes) && Arrays.equals(keyBytes, other.keyBytes);
    }

    String alias() {
      return "pair-" + revision;
    }
  }
}
