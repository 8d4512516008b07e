// The errors of calls: one type, made from google.rpc.Status and its details.

package inbox

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"leadchat.internal/inbox-go/inboxpb"
)

// Error is the error of a failed call. Programs decide by Reason; where that is empty, the error
// comes from gRPC itself or from a proxy, and Code is all there is.
type Error struct {
	// Code is the class of the error.
	Code codes.Code
	// Reason is the value of ErrorReason without its prefix. It is empty where there is none.
	Reason Reason
	// Message is for people. It quotes no stored value.
	Message string
	// Metadata belongs to the reason: that of CALLER_NOT_PERMITTED has "caller" and "needs".
	Metadata map[string]string
	// Fields are the invalid fields of the request.
	Fields []FieldViolation
	// RetryDelay is the time to wait before the next attempt, or 0.
	RetryDelay time.Duration
	// RequestID identifies the call in the log of the service.
	RequestID string

	status *statuspb.Status
	cause  error
}

// FieldViolation says that a field of the request is invalid.
type FieldViolation struct{ Field, Description string }

// Reason is the reason of a failed call. It is one of the constants, empty, or a reason that this
// client does not know yet.
type Reason string

// Known reports whether the contract of this client has the reason.
func (r Reason) Known() bool {
	return inboxpb.ErrorReason_value["ERROR_REASON_"+string(r)] != 0
}

// Other returns a reason that this client does not know, as a string.
func (r Reason) Other() (reason string, ok bool) {
	if r == "" || r.Known() {
		return "", false
	}
	return string(r), true
}

// ReasonOf returns the reason of an error of this client, however it is wrapped. The reason of any
// other error, and of nil, is empty.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// ErrorFromStatus makes the error of a code, a message and the bytes of a google.rpc.Status, which
// are the trailer grpc-status-details-bin. Details that cannot be decoded are left out.
func ErrorFromStatus(code codes.Code, message string, details []byte) *Error {
	decoded := &statuspb.Status{}
	if proto.Unmarshal(details, decoded) != nil {
		decoded = &statuspb.Status{}
	}
	decoded.Code, decoded.Message = int32(code), message
	return newError(status.FromProto(decoded))
}

// newError takes the first ErrorInfo of the service, all invalid fields, and the first RetryInfo.
func newError(of *status.Status) *Error {
	e := &Error{Code: of.Code(), Message: of.Message(), status: of.Proto()}
	var info *errdetails.ErrorInfo
	var retry *errdetails.RetryInfo
	for _, detail := range of.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if info == nil && detail.Domain == "inbox.leadchat" {
				info = detail
				e.Reason, e.Metadata = Reason(info.Reason), info.Metadata
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				e.Fields = append(e.Fields, FieldViolation{violation.Field, violation.Description})
			}
		case *errdetails.RetryInfo:
			if retry == nil {
				retry = detail
				e.RetryDelay = retry.RetryDelay.AsDuration()
			}
		}
	}
	return e
}

// Error returns code, reason, message and the request id in one line.
func (e *Error) Error() string {
	text := "inbox: " + e.Code.String()
	if e.Reason != "" {
		text += " " + string(e.Reason)
	}
	text += ": " + e.Message
	if e.RequestID != "" {
		text += " (request id " + e.RequestID + ")"
	}
	return text
}

// Unwrap returns the cause, if a token could not be sent.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus returns the status as the service sent it, for status.FromError and status.Code.
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil {
		return status.New(e.Code, e.Message)
	}
	return status.FromProto(e.status)
}

// Is holds for context.Canceled and context.DeadlineExceeded, if the code is that of the two.
func (e *Error) Is(target error) bool {
	return target == context.Canceled && e.Code == codes.Canceled ||
		target == context.DeadlineExceeded && e.Code == codes.DeadlineExceeded
}
