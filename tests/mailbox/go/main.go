// Command keywright-mailbox-server serves one user's mail over IMAP, with TLS from the first byte, on a port
// of 127.0.0.1 that the system chooses. Another port there takes mails, and tells how many there are, over
// plain HTTP. It prints one line of JSON with both addresses, and ends when its standard input does.
//
// All that it needs comes from its environment, so that no secret shows in a list of processes.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// loopback asks the system for a port.
const loopback = "127.0.0.1:0"

func main() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	settings, err := readSettings()
	if err != nil {
		return err
	}
	user, err := newUser(settings)
	if err != nil {
		return err
	}
	mails, err := tls.Listen("tcp", loopback, &tls.Config{
		Certificates: []tls.Certificate{settings.certificate},
		MinVersion:   tls.VersionTLS12,
	})
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", loopback)
	if err != nil {
		return err
	}
	addresses := map[string]string{"imap": mails.Addr().String(), "control": control.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- serveMails(mails, user) }()
	go func() { ended <- http.Serve(control, newControl(user, settings.token)) }()
	return <-ended
}

type settings struct {
	certificate               tls.Certificate
	username, password, token string
	folders                   []string
}

func readSettings() (settings, error) {
	var missing []string
	value := func(name string) string {
		name = "KEYWRIGHT_MAILBOX_" + name
		if os.Getenv(name) == "" {
			missing = append(missing, name)
		}
		return os.Getenv(name)
	}
	read := settings{
		username: value("USERNAME"),
		password: value("PASSWORD"),
		token:    value("TOKEN"),
		folders:  strings.Split(value("FOLDERS"), "\n"),
	}
	certificate, key := value("CERTIFICATE"), value("KEY")
	if len(missing) > 0 {
		return read, fmt.Errorf("set %s; keywright-mailbox-server is started by the Rust program of that name", strings.Join(missing, ", "))
	}
	var err error
	read.certificate, err = tls.X509KeyPair([]byte(certificate), []byte(key))
	return read, err
}

func newUser(settings settings) (*imapmemserver.User, error) {
	user := imapmemserver.NewUser(settings.username, settings.password)
	for _, folder := range settings.folders {
		if err := user.Create(folder, nil); err != nil {
			return nil, err
		}
	}
	return user, nil
}

func serveMails(listener net.Listener, user *imapmemserver.User) error {
	memory := imapmemserver.New()
	memory.AddUser(user)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
		// The listener speaks TLS, which the server cannot see.
		InsecureAuth: true,
		// Clients that hang up are no news here.
		Logger: log.New(io.Discard, "", 0),
	})
	return server.Serve(listener)
}
