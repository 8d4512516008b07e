// The idiom of reasons: each of the contract has a constant.

package main

import (
	"fmt"
	"slices"
	"strings"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

// reasons are the constants of the client.
var reasons = []inbox.Reason{
	inbox.ReasonInvalidRequest,
	inbox.ReasonInvalidPageToken,
	inbox.ReasonUndecodableRequest,
	inbox.ReasonRequestTooLarge,
	inbox.ReasonAccessDenied,
	inbox.ReasonAccountSuspended,
	inbox.ReasonInboxNotFound,
	inbox.ReasonDeadlineExceeded,
	inbox.ReasonStoreUnavailable,
	inbox.ReasonOverloaded,
	inbox.ReasonShuttingDown,
	inbox.ReasonUnknownMethod,
	inbox.ReasonInternal,
	inbox.ReasonCompressionNotSupported,
	inbox.ReasonLatestOnStandby,
	inbox.ReasonCredentialsMissing,
	inbox.ReasonCredentialsInvalid,
	inbox.ReasonCredentialsExpired,
	inbox.ReasonCallerUnknown,
	inbox.ReasonCallerNotPermitted,
	inbox.ReasonCallerLimitExceeded,
	inbox.ReasonTooManyWatches,
	inbox.ReasonReconnect,
}

func everyReason(*servers) error {
	for _, number := range inboxpb.ErrorReason_value {
		name := inboxpb.ErrorReason_name[number]
		reason := inbox.Reason(strings.TrimPrefix(name, "ERROR_REASON_"))
		sent := number != 0
		if reason.Known() != sent || slices.Contains(reasons, reason) != sent {
			return fmt.Errorf("expected a constant for %s, and none for what is never sent", reason)
		}
	}
	return nil
}
