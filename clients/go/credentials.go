// What proves the caller and the viewer: certificates and tokens.

package inbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TokenSource returns a token, without "Bearer". White space around it is left out. It is asked for
// each attempt of each call, so a source that fetches tokens has to keep them until they expire. If
// it fails, the call ends with UNAUTHENTICATED, and the error of the source is the cause.
type TokenSource func(ctx context.Context) (string, error)

// TokenFile is a source that reads a file anew for each call.
func TokenFile(path string) TokenSource {
	return func(context.Context) (string, error) {
		token, err := os.ReadFile(path)
		return string(token), err
	}
}

// ViewerToken is an option of a call: the token of the user on whose behalf it is made.
func ViewerToken(token string) grpc.CallOption {
	return ViewerTokenFrom(func(context.Context) (string, error) { return token, nil })
}

// ViewerTokenFrom is the same with a source, for watches: they may last longer than a token.
func ViewerTokenFrom(source TokenSource) grpc.CallOption {
	return grpc.PerRPCCredentials(bearer{"viewer-authorization", source})
}

// bearer sends a token in a header. It holds a function and no token, so it prints none.
type bearer struct {
	header string
	token  TokenSource
}

// GetRequestMetadata returns the header.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.token(ctx)
	if ctx.Err() != nil {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	token = strings.TrimSpace(token)
	if err == nil && (token == "" || strings.ContainsFunc(token, invisible)) {
		err = errors.New("the token is not 1 or more visible ASCII characters")
	}
	if err != nil {
		message := fmt.Sprintf("%s was not sent: %v", b.header, err)
		return nil, &Error{Code: codes.Unauthenticated, Message: message, cause: err}
	}
	return map[string]string{b.header: "Bearer " + token}, nil
}

func invisible(r rune) bool { return r < '!' || r > '~' }

// RequireTransportSecurity is false: [New] allows TLS and connections within this machine only.
func (b bearer) RequireTransportSecurity() bool { return false }

// TLSFiles are the paths of PEM files for [LoadTLS].
type TLSFiles struct {
	// CA has the authorities of the server's certificate. Empty is those of the system.
	CA string
	// Certificate and Key are those of the caller. Both are empty if a token alone proves it.
	Certificate, Key string
}

// LoadTLS makes the configuration of TLS from files. Certificate and key are read anew for each
// connection. While they do not match or cannot be read, the last ones that did stay in use. The
// file of authorities is read once.
func LoadTLS(files TLSFiles) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, fmt.Errorf("inbox: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("inbox: %s has no certificate", files.CA)
		}
	}
	if files.Certificate == "" && files.Key == "" {
		return config, nil
	}
	if files.Certificate == "" || files.Key == "" {
		return nil, errors.New("inbox: a certificate needs its key, and a key its certificate")
	}
	last, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, fmt.Errorf("inbox: certificate and key: %w", err)
	}
	var lock sync.Mutex
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		lock.Lock()
		defer lock.Unlock()
		if renewed, err := tls.LoadX509KeyPair(files.Certificate, files.Key); err == nil {
			last = renewed
		}
		current := last
		return &current, nil
	}
	return config, nil
}
