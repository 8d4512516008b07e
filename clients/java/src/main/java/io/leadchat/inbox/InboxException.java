// The error of a failed call: one type, made from google.rpc.Status and its details.

package io.leadchat.inbox;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The error of a failed call. Programs decide by {@link #reason()}, and by {@link #code()} where
 * that is {@link Reason#NONE}. The cause is gRPC's own exception. If a token could not be sent, the
 * cause of that is the exception of its supplier.
 */
public final class InboxException extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final String DOMAIN = "inbox.leadchat";
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
  private static final Metadata.Key<String> REQUEST_ID =
      Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);

  private final Status.Code code;
  private final String requestId;
  private final String reason;
  private final HashMap<String, String> metadata = new HashMap<>();
  private final ArrayList<BadRequest.FieldViolation> fields = new ArrayList<>();
  private final Duration retryDelay;

  private InboxException(
      Status.Code code, String message, byte[] details, String requestId, Throwable cause) {
    super(message, cause);
    this.code = code;
    this.requestId = requestId;
    List<Any> decoded = decode(details);
    Optional<ErrorInfo> info = all(decoded, ErrorInfo.class)
        .filter(each -> each.getDomain().equals(DOMAIN)).findFirst();
    reason = info.map(ErrorInfo::getReason).orElse("");
    info.ifPresent(each -> metadata.putAll(each.getMetadataMap()));
    all(decoded, BadRequest.class).forEach(each -> fields.addAll(each.getFieldViolationsList()));
    retryDelay = all(decoded, RetryInfo.class).findFirst().map(RetryInfo::getRetryDelay)
        .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos())).orElse(null);
  }

  // Without its details, an error still has its code and message.
  private static List<Any> decode(byte[] details) {
    try {
      return com.google.rpc.Status.parseFrom(details).getDetailsList();
    } catch (InvalidProtocolBufferException e) {
      return List.of();
    }
  }

  // Without those that are damaged.
  private static <T extends Message> Stream<T> all(List<Any> details, Class<T> type) {
    return details.stream().filter(detail -> detail.is(type)).flatMap(detail -> {
      try {
        return Stream.of(detail.unpack(type));
      } catch (InvalidProtocolBufferException e) {
        return Stream.empty();
      }
    });
  }

  /**
   * Makes the error of a code, a message and the bytes of a {@code google.rpc.Status}, which are
   * the trailer {@code grpc-status-details-bin}. Details that cannot be decoded are left out.
   */
  public static InboxException of(Status.Code code, String message, byte[] details) {
    return new InboxException(code, message, details, null, null);
  }

  /** Makes the error from gRPC's own, which the calls of {@link InboxClient#stub()} throw. */
  public static InboxException of(StatusRuntimeException error) {
    return of(error, null);
  }

  static InboxException of(StatusRuntimeException error, Metadata headers) {
    Metadata trailers = error.getTrailers() == null ? new Metadata() : error.getTrailers();
    byte[] details = trailers.get(DETAILS);
    String requestId = trailers.get(REQUEST_ID);
    if (requestId == null && headers != null) {
      requestId = headers.get(REQUEST_ID);
    }
    String message = error.getStatus().getDescription();
    return new InboxException(
        error.getStatus().getCode(),
        message == null ? "" : message,
        details == null ? new byte[0] : details,
        requestId,
        error);
  }

  /** Returns the class of the error. */
  public Status.Code code() {
    return code;
  }

  /** Returns the reason, by which programs decide. */
  public Reason reason() {
    return Reason.of(reason);
  }

  /** Returns the reason as it was sent, also that of {@link Reason#OTHER}; empty if none was. */
  public String reasonText() {
    return reason;
  }

  /** Returns the text for people, as it was sent. */
  public String description() {
    return super.getMessage();
  }

  /** Returns the metadata of the reason, such as {@code needs} of CALLER_NOT_PERMITTED. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(metadata);
  }

  /** Returns the invalid fields of the request, each with a description. */
  public List<BadRequest.FieldViolation> fields() {
    return Collections.unmodifiableList(fields);
  }

  /** Returns the time to wait before the next attempt. */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(retryDelay);
  }

  /** Returns the id of the call in the log of the service. */
  public Optional<String> requestId() {
    return Optional.ofNullable(requestId);
  }

  /** Returns code, reason, description and the request id in one line. */
  @Override
  public String getMessage() {
    return code + (reason.isEmpty() ? "" : " " + reason) + ": " + description()
        + (requestId == null ? "" : " (request id " + requestId + ")");
  }
}
