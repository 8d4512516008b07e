// A server whose watches send what a check wants.

package main

import (
	"errors"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

// watches is a service with the events of each call. The last of them is its error, or nil.
type watches struct {
	inboxpb.UnimplementedInboxServiceServer
	lock  sync.Mutex
	calls []*inboxpb.WatchInboxesRequest
	at    []time.Time
	watch func(call int, send func(*inboxpb.WatchInboxesResponse)) error
}

func (w *watches) WatchInboxes(request *inboxpb.WatchInboxesRequest,
	stream grpc.ServerStreamingServer[inboxpb.WatchInboxesResponse]) error {
	w.lock.Lock()
	w.calls, w.at = append(w.calls, request), append(w.at, time.Now())
	call := len(w.calls)
	w.lock.Unlock()
	err := w.watch(call, func(event *inboxpb.WatchInboxesResponse) { _ = stream.Send(event) })
	if errors.Is(err, errOpen) {
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	return err
}

// errOpen keeps a call open.
var errOpen = errors.New("open")

func upserted(id int64, etag, name string) *inboxpb.WatchInboxesResponse {
	of := &inboxpb.Inbox{Id: id, Etag: etag, Name: name}
	return &inboxpb.WatchInboxesResponse{
		Event: &inboxpb.WatchInboxesResponse_Upserted{Upserted: of},
	}
}

func synced() *inboxpb.WatchInboxesResponse {
	of := &inboxpb.Synced{ReadTime: timestamppb.Now()}
	return &inboxpb.WatchInboxesResponse{Event: &inboxpb.WatchInboxesResponse_Synced{Synced: of}}
}

func failure(code codes.Code, reason inbox.Reason) error {
	if reason == "" {
		return status.Error(code, "of the connection")
	}
	return failureWith(code, &errdetails.ErrorInfo{Reason: string(reason)})
}

// expired is the error of a credential, "authorization" or "certificate".
func expired(credential string) error {
	return failureWith(codes.Unauthenticated, &errdetails.ErrorInfo{
		Reason:   string(inbox.ReasonCredentialsExpired),
		Metadata: map[string]string{"credential": credential},
	})
}

// departure is the end of a connection. The server asks for a delay of a second.
func departure(reason inbox.Reason) error {
	return failureWith(codes.Unavailable, &errdetails.ErrorInfo{Reason: string(reason)},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
}

func failureWith(code codes.Code, info *errdetails.ErrorInfo,
	more ...protoadapt.MessageV1) error {
	info.Domain = "inbox.leadchat"
	of, err := status.New(code, "of the service").WithDetails(
		append([]protoadapt.MessageV1{info}, more...)...)
	return errors.Join(err, of.Err())
}
