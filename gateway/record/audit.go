package record

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// Decision is what the audit log says of one request, as a line of JSON.
type Decision struct {
	Time       time.Time    `json:"time"`
	ID         string       `json:"id"`
	Source     string       `json:"source"`
	User       string       `json:"user,omitempty"`                // whom a backend vouched for
	Groups     []string     `json:"groups,omitempty"`              // of the user, those that rules of the route name
	ExpiresIn  int64        `json:"password_expires_in,omitempty"` // seconds, where the backend says that it is soon
	Claimed    string       `json:"claimed,omitempty"`             // the name that was sent, where nobody vouched for it
	Via        string       `json:"via,omitempty"`                 // how the user logged in, as rules have it
	Token      string       `json:"token,omitempty"`               // ID of the token that came with the request, or was issued
	Own        string       `json:"own_token,omitempty"`           // ID of the token of an account that was sent, here or for the token
	Refresh    string       `json:"refresh_token,omitempty"`       // ID of the refresh token that the token was asked for with, or that was issued with it
	Grace      bool         `json:"grace,omitempty"`               // it had expired, and finished an upload
	Backend    string       `json:"backend,omitempty"`
	Cache      string       `json:"cache,omitempty"`
	Method     string       `json:"method"`
	Host       string       `json:"host,omitempty"`
	Path       string       `json:"path"`
	Action     string       `json:"action,omitempty"` // what the request does to a registry, as package oci has it
	Repository string       `json:"repository,omitempty"`
	MountFrom  string       `json:"mount_from,omitempty"` // the repository that a blob is taken from
	Tag        string       `json:"tag,omitempty"`
	Digest     string       `json:"digest,omitempty"`
	Rule       string       `json:"rule,omitempty"`
	Decision   string       `json:"decision"`
	Status     int          `json:"status"`
	Code       fault.Code   `json:"code,omitempty"`   // of what went wrong, or of why the gateway refused
	Reason     fault.Reason `json:"reason,omitempty"` // the same in one word
	Bytes      int64        `json:"bytes"`            // of the answer's body
	Received   int64        `json:"received"`         // of the request's body
}

// buffers keeps records from being allocated anew.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Encode calls use with d as a line, which use must not keep.
func (d Decision) Encode(use func(record []byte)) { encode(d, use) }

// encode calls use with a record as a line, which use must not keep.
func encode(what any, use func(record []byte)) {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(what) // of which nothing can fail
	use(shown.JSON(b.Bytes()))
}
