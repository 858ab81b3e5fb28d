package main

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// largestMail is more than any test delivers.
const largestMail = 32 << 20

// newControl serves `POST /mails?folder=...&received=...`, whose body is a mail and whose time (RFC 3339) is
// now by default, and `GET /folder?folder=...`, which counts.
func newControl(user *imapmemserver.User, token string) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("POST /mails", func(response http.ResponseWriter, request *http.Request) {
		reply(response, nil, deliver(user, request))
	})
	routes.HandleFunc("GET /folder", func(response http.ResponseWriter, request *http.Request) {
		status, err := user.Status(request.FormValue("folder"), &imap.StatusOptions{NumMessages: true, NumUnseen: true})
		if err != nil {
			reply(response, nil, err)
			return
		}
		reply(response, map[string]uint32{"mails": *status.NumMessages, "unseen": *status.NumUnseen}, nil)
	})
	expected := []byte("Bearer " + token)
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if subtle.ConstantTimeCompare([]byte(request.Header.Get("Authorization")), expected) != 1 {
			http.Error(response, "wrong token", http.StatusUnauthorized)
			return
		}
		routes.ServeHTTP(response, request)
	})
}

func deliver(user *imapmemserver.User, request *http.Request) error {
	query := request.URL.Query()
	received := time.Now()
	if text := query.Get("received"); text != "" {
		var err error
		if received, err = time.Parse(time.RFC3339, text); err != nil {
			return err
		}
	}
	mail, err := io.ReadAll(io.LimitReader(request.Body, largestMail+1))
	if err != nil {
		return err
	}
	if len(mail) > largestMail {
		return errors.New("the mail is too large")
	}
	_, err = user.Append(query.Get("folder"), bytes.NewReader(mail), &imap.AppendOptions{Time: received})
	return err
}

func reply(response http.ResponseWriter, body any, err error) {
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(body)
}
