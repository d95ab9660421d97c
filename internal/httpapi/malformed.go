package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/spotpool/spotpool/internal/fault"
)

var errNoObject = fault.New(fault.Malformed, "json_invalid", "the body is not a JSON object")

// malformed explains why a body could not be decoded.
func malformed(err error) error {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	name, unknown := strings.CutPrefix(err.Error(), "json: unknown field ") // the decoder has no type for it
	switch {
	case errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errNoObject
	case errors.As(err, &wrongType) && wrongType.Field == "":
		return errNoObject
	case errors.As(err, &wrongType):
		name = wrongType.Field
		return about(name, fault.New(fault.Malformed, "field_malformed", "%s cannot be a %s", name, wrongType.Value))
	case unknown:
		name = strings.Trim(name, `"`)
		return about(name, fault.New(fault.Malformed, "field_unknown", "there is no field %q", name))
	}
	// Times are the only fields that decode themselves.
	return fault.New(fault.Malformed, "field_malformed", "times are written as in RFC 3339, 2026-03-01T08:00:00Z")
}

func about(field string, f *fault.Error) error {
	f.Fields = []fault.Field{{Name: field, Detail: f.Detail}}
	return f
}

func missing(field string) error {
	return fault.Fieldf(field, "field_missing", "%s is required", field)
}
