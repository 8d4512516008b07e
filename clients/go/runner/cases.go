// The cases of the conformance file.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	rpccode "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

type conformanceCase struct {
	Name             string
	Caller           string
	ViewerToken      string `json:"viewer_token"`
	Method           string
	Request          json.RawMessage
	RequestMetadata  map[string]string `json:"request_metadata"`
	TimeoutMS        *int              `json:"timeout_ms"`
	Pages            bool
	Message          string
	Bytes            []byte
	Status           *statusCase
	Response         any
	Error            map[string]any
	ResponseMetadata map[string]string `json:"response_metadata"`
	IDs              []any
	Events           []any
}

type statusCase struct {
	Code    codes.Code
	Message string
	Details []byte
}

// UnmarshalJSON reads the code as a number.
func (s *statusCase) UnmarshalJSON(text []byte) error {
	var plain struct {
		Code    uint32
		Message string
		Details []byte
	}
	err := json.Unmarshal(text, &plain)
	*s = statusCase{codes.Code(plain.Code), plain.Message, plain.Details}
	return err
}

func runCases(at *servers, cases []conformanceCase) error {
	clients := map[string]*inbox.Client{}
	defer func() {
		for client := range maps.Values(clients) {
			client.Close()
		}
	}()
	// One client for each endpoint and caller, as in a program.
	client := func(name string, config inbox.Config) (*inbox.Client, error) {
		if clients[name] == nil {
			made, err := inbox.New(config)
			if err != nil {
				return nil, err
			}
			clients[name] = made
		}
		return clients[name], nil
	}
	for _, c := range cases {
		switch {
		case c.Status != nil:
			problem := c.checkError(inbox.ErrorFromStatus(c.Status.Code, c.Status.Message, c.Status.Details))
			printResult(c.Name, "-", problem)
		case c.Message != "":
			printResult(c.Name, "-", c.decode())
		case c.Caller != "":
			config, err := at.caller(c.Caller)
			if err != nil {
				printResult(c.Name, "tls", err)
				continue
			}
			made, err := client("tls "+c.Caller, config)
			if err != nil {
				return err
			}
			printResult(c.Name, "tls", c.call(at, made))
		default:
			for _, on := range []struct{ name, address string }{
				{"plain", at.Plain.Address}, {"unix", at.Unix.Address},
			} {
				made, err := client(on.name, inbox.Config{Addresses: []string{on.address}})
				if err != nil {
					return err
				}
				printResult(c.Name, on.name, c.call(at, made))
			}
		}
	}
	return nil
}

// newMessage makes a message of the contract by its name.
func newMessage(name string) (proto.Message, error) {
	full := protoreflect.FullName("leadchat.inbox.v1." + name)
	kind, err := protoregistry.GlobalTypes.FindMessageByName(full)
	if err != nil {
		return nil, err
	}
	return kind.New().Interface(), nil
}

func (c *conformanceCase) decode() error {
	message, err := newMessage(c.Message)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(c.Bytes, message); err != nil {
		return err
	}
	return checkMessage(c.Response, message)
}

func (c *conformanceCase) call(at *servers, client *inbox.Client) error {
	ctx := context.Background()
	if c.TimeoutMS != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*c.TimeoutMS)*time.Millisecond)
		defer cancel()
	}
	for key, value := range c.RequestMetadata {
		ctx = metadata.AppendToOutgoingContext(ctx, key, value)
	}
	var header metadata.MD
	options := []grpc.CallOption{grpc.Header(&header)}
	if c.ViewerToken != "" {
		token, err := os.ReadFile(at.ViewerTokens[c.ViewerToken])
		if err != nil {
			return err
		}
		options = append(options, inbox.ViewerToken(string(token)))
	}
	if c.Pages {
		return c.pages(ctx, client, options)
	}
	if c.Method == "WatchInboxes" {
		return c.watch(ctx, client, options)
	}
	response, err := call(ctx, client, c.Method, c.Request, options)
	if c.Error != nil {
		if err == nil {
			return fmt.Errorf("expected the error %s, got a response", show(c.Error))
		}
		return c.checkError(err)
	}
	if err != nil {
		return fmt.Errorf("expected a response, got %w", err)
	}
	if c.Response != nil {
		if err := checkMessage(c.Response, response); err != nil {
			return err
		}
	}
	for key, expected := range c.ResponseMetadata {
		if err := compare(key, expected, strings.Join(header.Get(key), ", ")); err != nil {
			return err
		}
	}
	return nil
}

// call makes a call by the name of its method, with a request in JSON.
func call(ctx context.Context, client *inbox.Client, method string, request []byte,
	options []grpc.CallOption) (proto.Message, error) {
	switch method {
	case "GetInbox":
		return one(ctx, client.Get, &inboxpb.GetInboxRequest{}, request, options)
	case "ListInboxes":
		return one(ctx, client.List, &inboxpb.ListInboxesRequest{}, request, options)
	case "BatchGetInboxes":
		return one(ctx, client.Batch, &inboxpb.BatchGetInboxesRequest{}, request, options)
	case "FindInboxes":
		return one(ctx, client.Find, &inboxpb.FindInboxesRequest{}, request, options)
	case "ExplainAccess":
		return one(ctx, client.Explain, &inboxpb.ExplainAccessRequest{}, request, options)
	default:
		return nil, fmt.Errorf("the client has no method for %q", method)
	}
}

func one[Request, Response proto.Message](ctx context.Context,
	method func(context.Context, Request, ...grpc.CallOption) (Response, error),
	request Request, text []byte, options []grpc.CallOption) (proto.Message, error) {
	if err := protojson.Unmarshal(text, request); err != nil {
		return nil, err
	}
	return method(ctx, request, options...)
}

func (c *conformanceCase) pages(ctx context.Context, client *inbox.Client,
	options []grpc.CallOption) error {
	request := &inboxpb.ListInboxesRequest{}
	if err := protojson.Unmarshal(c.Request, request); err != nil {
		return err
	}
	ids := []any{}
	for each, err := range client.Inboxes(ctx, request, options...) {
		switch {
		case err != nil && c.Error != nil:
			return c.checkError(err)
		case err != nil:
			return fmt.Errorf("expected inboxes, got %w", err)
		}
		ids = append(ids, strconv.FormatInt(each.Id, 10))
	}
	if c.Error != nil {
		return fmt.Errorf("expected the error %s, got %d inboxes", show(c.Error), len(ids))
	}
	return compare("ids", c.IDs, ids)
}

// watch compares the events up to the first Synced, or the error.
func (c *conformanceCase) watch(ctx context.Context, client *inbox.Client,
	options []grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request := &inboxpb.WatchInboxesRequest{}
	if err := protojson.Unmarshal(c.Request, request); err != nil {
		return err
	}
	events := []any{}
	for event, err := range client.Watch(ctx, request, options...) {
		switch {
		case err != nil && c.Error != nil:
			return c.checkError(err)
		case err != nil:
			return fmt.Errorf("expected events, got %w", err)
		}
		value, err := jsonOf(event)
		if err != nil {
			return err
		}
		events = append(events, value)
		if event.GetSynced() != nil {
			break
		}
	}
	if c.Error != nil {
		return fmt.Errorf("expected the error %s, got %d events", show(c.Error), len(events))
	}
	return compare("events", c.Events, events)
}

// checkError compares the parts of the error that the case has.
func (c *conformanceCase) checkError(err error) error {
	e, ok := errors.AsType[*inbox.Error](err)
	if !ok {
		return fmt.Errorf("expected an *inbox.Error, got %T: %w", err, err)
	}
	fields, values := []any{}, map[string]any{}
	for _, field := range e.Fields {
		fields = append(fields, field.Field)
	}
	for key, value := range e.Metadata {
		values[key] = value
	}
	got := map[string]any{
		"code":                rpccode.Code(e.Code).String(),
		"reason":              string(e.Reason),
		"known":               e.Reason.Known(),
		"metadata":            values,
		"fields":              fields,
		"retry_delay_seconds": e.RetryDelay.Seconds(),
		"request_id":          e.RequestID,
		"message":             e.Message,
	}
	for key, expected := range c.Error {
		if err := compare("error."+key, expected, got[key]); err != nil {
			return err
		}
	}
	return nil
}

// checkMessage compares a message with JSON, by its own JSON.
func checkMessage(expected any, message proto.Message) error {
	got, err := jsonOf(message)
	if err != nil {
		return err
	}
	return compare("response", expected, got)
}

// jsonOf returns the value of the JSON of a message.
func jsonOf(message proto.Message) (value any, err error) {
	text, err := protojson.Marshal(message)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &value)
	return value, err
}
