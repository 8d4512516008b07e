// The error of a failed call: one type, made from google.rpc.Status and its details.

package io.leadchat.inbox;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
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

/**
 * The error of a failed call. Programs decide by {@link #reason()}, and by {@link #code()} where
 * that is {@link Reason#NONE}. The cause is gRPC's own exception.
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
  private String reason = "";
  private final HashMap<String, String> metadata = new HashMap<>();
  private final ArrayList<BadRequest.FieldViolation> fields = new ArrayList<>();
  private Duration retryDelay;

  private InboxException(
      Status.Code code, String message, byte[] details, String requestId, Throwable cause) {
    super(message, cause);
    this.code = code;
    this.requestId = requestId;
    try {
      com.google.rpc.Status.parseFrom(details).getDetailsList().forEach(this::read);
    } catch (InvalidProtocolBufferException e) {
      // Without its details, an error still has its code and message.
    }
  }

  private void read(Any detail) {
    try {
      unpack(detail);
    } catch (InvalidProtocolBufferException e) {
      // The other details remain.
    }
  }

  private void unpack(Any detail) throws InvalidProtocolBufferException {
    if (detail.is(ErrorInfo.class)) {
      ErrorInfo info = detail.unpack(ErrorInfo.class);
      if (info.getDomain().equals(DOMAIN)) {
        reason = info.getReason();
        metadata.putAll(info.getMetadataMap());
      }
    } else if (detail.is(BadRequest.class)) {
      fields.addAll(detail.unpack(BadRequest.class).getFieldViolationsList());
    } else if (detail.is(RetryInfo.class)) {
      com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
      retryDelay = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
    }
  }

  /**
   * Makes the error of a code, a message and the bytes of a {@code google.rpc.Status}, which are
   * the trailer {@code grpc-status-details-bin}. Details that cannot be decoded are left out.
   */
  public static InboxException of(Status.Code code, String message, byte[] details) {
    return new InboxException(code, message, details, "", null);
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
        requestId == null ? "" : requestId,
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

  /** Returns the id of the call in the log of the service; empty if there is none. */
  public String requestId() {
    return requestId;
  }

  /** Returns code, reason, description, fields and the request id in one line. */
  @Override
  public String getMessage() {
    StringBuilder text = new StringBuilder(code.name());
    if (!reason.isEmpty()) {
      text.append(' ').append(reason);
    }
    text.append(": ").append(description());
    for (BadRequest.FieldViolation field : fields) {
      text.append("; ").append(field.getField()).append(' ').append(field.getDescription());
    }
    return requestId.isEmpty() ? text.toString() : text + " (request id " + requestId + ")";
  }
}
