// The reasons of failed calls.

package inbox

// The reasons of the contract. The comments of inboxpb.ErrorReason say what each means.
const (
	ReasonInvalidRequest          Reason = "INVALID_REQUEST"
	ReasonInvalidPageToken        Reason = "INVALID_PAGE_TOKEN"
	ReasonUndecodableRequest      Reason = "UNDECODABLE_REQUEST"
	ReasonRequestTooLarge         Reason = "REQUEST_TOO_LARGE"
	ReasonAccessDenied            Reason = "ACCESS_DENIED"
	ReasonAccountSuspended        Reason = "ACCOUNT_SUSPENDED"
	ReasonInboxNotFound           Reason = "INBOX_NOT_FOUND"
	ReasonDeadlineExceeded        Reason = "DEADLINE_EXCEEDED"
	ReasonStoreUnavailable        Reason = "STORE_UNAVAILABLE"
	ReasonOverloaded              Reason = "OVERLOADED"
	ReasonShuttingDown            Reason = "SHUTTING_DOWN"
	ReasonUnknownMethod           Reason = "UNKNOWN_METHOD"
	ReasonInternal                Reason = "INTERNAL"
	ReasonCompressionNotSupported Reason = "COMPRESSION_NOT_SUPPORTED"
	ReasonLatestOnStandby         Reason = "LATEST_ON_STANDBY"
	ReasonCredentialsMissing      Reason = "CREDENTIALS_MISSING"
	ReasonCredentialsInvalid      Reason = "CREDENTIALS_INVALID"
	ReasonCredentialsExpired      Reason = "CREDENTIALS_EXPIRED"
	ReasonCallerUnknown           Reason = "CALLER_UNKNOWN"
	ReasonCallerNotPermitted      Reason = "CALLER_NOT_PERMITTED"
	ReasonCallerLimitExceeded     Reason = "CALLER_LIMIT_EXCEEDED"
	ReasonTooManyWatches          Reason = "TOO_MANY_WATCHES"
	ReasonReconnect               Reason = "RECONNECT"
)
