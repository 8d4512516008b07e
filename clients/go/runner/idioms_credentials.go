// Idioms of credentials: tokens, and certificates that are renewed.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

var credentialIdioms = []idiom{
	{"token-asked-for-each-call", tokenEachCall},
	{"token-that-is-not-there", tokenMissing},
	{"token-stripped-and-checked", tokenChecked},
	{"token-over-plaintext-within-the-machine", tokenLocal},
	{"viewer-token-of-each-call", viewerTokens},
	{"secrets-are-not-printed", secretsHidden},
	{"certificate-renewed", certificateRenewed},
	{"certificate-without-key", certificateMistakes},
	{"replicas-each-with-its-own-name", replicasOverTLS},
}

func find() *inboxpb.FindInboxesRequest {
	service := &inboxpb.Viewer_Service{Service: &inboxpb.ServiceViewer{}}
	return &inboxpb.FindInboxesRequest{
		Viewer: &inboxpb.Viewer{Principal: service},
		Detail: inboxpb.InboxDetail_INBOX_DETAIL_BASIC,
		Key:    &inboxpb.FindInboxesRequest_PhoneNumber{PhoneNumber: "+19990000000"},
	}
}

func (s *servers) viewerToken(user string) (string, error) {
	token, err := os.ReadFile(s.ViewerTokens[user])
	return string(token), err
}

func tokenEachCall(at *servers) error {
	config, err := at.caller("webhooks")
	if err != nil {
		return err
	}
	asked, source := 0, config.Token
	config.Token = func(ctx context.Context) (string, error) {
		asked++
		if asked == 3 {
			return "renewed.badly.indeed", nil
		}
		return source(ctx)
	}
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		var results []inbox.Reason
		for range 4 {
			_, err := client.Find(ctx, find())
			results = append(results, inbox.ReasonOf(err))
		}
		got := fmt.Sprintf("%q", results)
		return errors.Join(
			expect(asked == 4, "4 questions, got %d", asked),
			expect(got == `["" "" "CREDENTIALS_INVALID" ""]`, "the third to fail, got %s", got))
	})
}

func tokenMissing(at *servers) error {
	config, err := at.caller("webhooks")
	if err != nil {
		return err
	}
	config.Token = inbox.TokenFile("/nowhere/token")
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		_, err := client.Find(ctx, find())
		return errors.Join(
			expect(unsent(err), "UNAUTHENTICATED, got %v", err),
			expect(errors.Is(err, fs.ErrNotExist), "the error of the file as the cause, got %v", err))
	})
}

// unsent reports whether it is the error of a token that was not sent.
func unsent(err error) bool {
	e, ok := errors.AsType[*inbox.Error](err)
	return ok && e.Code == codes.Unauthenticated && e.Reason == "" &&
		status.Code(err) == codes.Unauthenticated && strings.Contains(e.Message, "was not sent")
}

func tokenChecked(at *servers) error {
	config, err := at.caller("webhooks")
	if err != nil {
		return err
	}
	token, source := "", config.Token
	config.Token = func(context.Context) (string, error) { return token, nil }
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		var problems []error
		mistakes := []string{"", " \n", "bad token", "bad\ntoken", "bad-tökén", "bad\x00token"}
		for _, token = range mistakes {
			_, err := client.Find(ctx, find())
			_, ofViewer := client.Find(ctx, find(), inbox.ViewerToken(token))
			problems = append(problems,
				expect(unsent(err) && errors.Unwrap(err) != nil, "a cause for %q, got %v", token, err),
				expect(unsent(ofViewer), "the same for the viewer, got %v", ofViewer),
				expect(!strings.Contains(err.Error(), "bad"), "no token in %q", err))
		}
		good, err := source(ctx)
		token = "\t " + good + " \r\n"
		_, stripped := client.Find(ctx, find())
		return errors.Join(append(problems, err, stripped)...)
	})
}

func tokenLocal(at *servers) error {
	asked := 0
	token := func(context.Context) (string, error) { asked++; return "secret", nil }
	local, unix := at.plain(), at.plain()
	local.Token, unix.Token = token, token
	unix.Addresses = []string{at.Unix.Address}
	once := func(config inbox.Config) error {
		return with(config, func(ctx context.Context, client *inbox.Client) error {
			_, err := client.Get(ctx, get(1))
			return err
		})
	}
	return errors.Join(once(local), once(unix),
		expect(asked == 2, "a token over the loopback and a Unix socket, asked %d times", asked))
}

func viewerTokens(at *servers) error {
	config, err := at.caller("dashboard")
	if err != nil {
		return err
	}
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		var problems []error
		for id, name := range map[int64]string{1: "1", 2: "2"} {
			token, err := at.viewerToken(name)
			if err != nil {
				return err
			}
			for _, asked := range []int64{1, 2} {
				request := get(3)
				request.Viewer = user(asked)
				_, err := client.Get(ctx, request, inbox.ViewerToken(token))
				expected := inbox.ReasonCallerNotPermitted
				if asked == id {
					expected = ""
				}
				problems = append(problems, expect(inbox.ReasonOf(err) == expected,
					"%q for the token of %d and the viewer %d, got %v", expected, id, asked, err))
			}
		}
		return errors.Join(problems...)
	})
}

func secretsHidden(at *servers) error {
	const secret = "very-secret-token"
	config := at.plain()
	config.Token = func(context.Context) (string, error) { return secret, nil }
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		option := inbox.ViewerToken(secret)
		_, err := client.Get(ctx, get(99), option)
		var text strings.Builder
		for _, value := range []any{option, config, client, *client, err} {
			fmt.Fprintf(&text, "%v %+v %#v\n", value, value, value)
		}
		return expect(err != nil && !strings.Contains(text.String(), secret), "no token in the text")
	})
}

// A client begins with the certificate of one caller; then its files are those of another one.
func certificateRenewed(at *servers) error {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	files := inbox.TLSFiles{
		CA:          at.TLS.CA,
		Certificate: filepath.Join(folder, "tls.crt"),
		Key:         filepath.Join(folder, "tls.key"),
	}
	replace := func(from, to string) error {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(to+".new", content, 0o600), os.Rename(to+".new", to))
	}
	sender, dashboard := at.Callers["sender"], at.Callers["dashboard"]
	if err := errors.Join(replace(sender.Certificate, files.Certificate),
		replace(sender.Key, files.Key)); err != nil {
		return err
	}
	config := inbox.Config{Addresses: []string{at.TLS.Address}}
	if config.TLS, err = inbox.LoadTLS(files); err != nil {
		return err
	}
	var lock sync.Mutex
	var connections []net.Conn
	config.DialOptions = []grpc.DialOption{grpc.WithContextDialer(
		func(ctx context.Context, address string) (net.Conn, error) {
			connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			lock.Lock()
			defer lock.Unlock()
			connections = append(connections, connection)
			return connection, err
		})}
	reconnect := func() {
		lock.Lock()
		defer lock.Unlock()
		for _, connection := range connections {
			connection.Close()
		}
		connections = nil
	}
	token, err := at.viewerToken("1")
	if err != nil {
		return err
	}
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		call := func() inbox.Reason {
			_, err := client.Get(ctx, get(3), inbox.ViewerToken(token))
			return inbox.ReasonOf(err)
		}
		first := call() // The sender needs a token too.
		if err := replace(dashboard.Certificate, files.Certificate); err != nil {
			return err
		}
		reconnect() // The new certificate and the old key do not match, so the old ones stay.
		second := call()
		if err := replace(dashboard.Key, files.Key); err != nil {
			return err
		}
		third := call() // The connection stays, and its certificate with it.
		reconnect()
		fourth := call()
		got := fmt.Sprintf("%q", []inbox.Reason{first, second, third, fourth})
		const missing = `"CREDENTIALS_MISSING"`
		return expect(got == "["+missing+" "+missing+" "+missing+` ""]`,
			"the renewed certificate with the last connection, got %s", got)
	})
}

func certificateMistakes(at *servers) error {
	sender, dashboard := at.Callers["sender"], at.Callers["dashboard"]
	for _, files := range []inbox.TLSFiles{
		{CA: "/nowhere"}, {CA: sender.Key}, {Certificate: sender.Certificate}, {Key: sender.Key},
		{Certificate: sender.Certificate, Key: dashboard.Key},
	} {
		if _, err := inbox.LoadTLS(files); err == nil {
			return fmt.Errorf("expected an error for %+v", files)
		}
	}
	return nil
}

// The certificate is for both names. It is not for the last one.
func replicasOverTLS(at *servers) error {
	config, err := at.caller("webhooks")
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(at.TLS.Address)
	if err != nil {
		return err
	}
	own := []string{at.TLS.Address, net.JoinHostPort("127.0.0.1", port)}
	call := func(name string, addresses []string) error {
		config := config
		config.Addresses, config.TLS = addresses, config.TLS.Clone()
		config.TLS.ServerName = name
		return with(config, func(ctx context.Context, client *inbox.Client) error {
			var problems []error
			for range 4 {
				_, err := client.Find(ctx, find())
				problems = append(problems, err)
			}
			return errors.Join(problems...)
		})
	}
	wrong := call("other.example", own)
	return errors.Join(call("", own), call("localhost", own),
		expect(status.Code(wrong) == codes.Unavailable, "UNAVAILABLE for another name, got %v", wrong))
}
