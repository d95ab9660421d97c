// Package fault gives every error that a caller may see a kind and a stable code.
//
// A fault travels through the layers as an ordinary error; the HTTP border
// turns its kind into a status and its code into the problem's code.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of trouble an error is, whatever the transport.
type Kind int

// The kinds, with the HTTP status each becomes.
const (
	Internal      Kind = iota // 500, the zero value: an error nobody classified
	Invalid                   // 422, well-formed input that breaks a rule
	Malformed                 // 400, input that cannot be read
	Unauthorized              // 401
	Forbidden                 // 403
	NotFound                  // 404, also what belongs to someone else
	Conflict                  // 409
	Stale                     // 412, the version named is no longer the newest
	Unconditional             // 428, a change that must name the version it is meant for
	TooMany                   // 429
	Unavailable               // 503
)

// Field is one input field that broke a rule.
type Field struct {
	Name   string `json:"field"`
	Detail string `json:"detail"`
}

// Error is an error with a kind and a stable, documented code such as "seats_out_of_range".
type Error struct {
	Kind   Kind
	Code   string
	Detail string // for a person; never holds personal data
	Fields []Field
	Err    error // the cause, for the log only
}

// New returns a fault without a cause.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns a fault that keeps err as its cause.
func Wrap(err error, kind Kind, code, format string, args ...any) *Error {
	f := New(kind, code, format, args...)
	f.Err = err
	return f
}

// Fieldf returns an Invalid fault about one input field.
func Fieldf(field, code, format string, args ...any) *Error {
	f := New(Invalid, code, format, args...)
	f.Fields = []Field{{Name: field, Detail: f.Detail}}
	return f
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is a fault with the same code, so that a
// package-level fault works as a sentinel.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// KindOf returns the kind of the first fault in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	if f := of(err); f != nil {
		return f.Kind
	}
	return Internal
}

// CodeOf returns the code of the first fault in err's chain, "internal" when there is none.
func CodeOf(err error) string {
	if f := of(err); f != nil {
		return f.Code
	}
	return "internal"
}

func of(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return nil
}
