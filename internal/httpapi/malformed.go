package httpapi

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/fault"
)

// malformed explains why a body could not be decoded.
func malformed(err error) error {
	var wrongType *json.UnmarshalTypeError
	var wrongTime *time.ParseError
	switch {
	case errors.As(err, &wrongType):
		f := fault.New(fault.Malformed, "field_malformed", "%s cannot be a %s", wrongType.Field, wrongType.Value)
		f.Fields = []fault.Field{{Name: wrongType.Field, Detail: f.Detail}}
		return f
	case errors.As(err, &wrongTime):
		return fault.New(fault.Malformed, "field_malformed", "times are written as in RFC 3339, 2026-03-01T08:00:00Z")
	case strings.HasPrefix(err.Error(), "json: unknown field "): // the decoder has no type for it
		name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		f := fault.New(fault.Malformed, "field_unknown", "there is no field %q", name)
		f.Fields = []fault.Field{{Name: name, Detail: f.Detail}}
		return f
	}
	return fault.New(fault.Malformed, "json_invalid", "the body is not a JSON object")
}

func missing(field string) error {
	return fault.Fieldf(field, "field_missing", "%s is required", field)
}
