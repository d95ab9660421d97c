package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"github.com/spotpool/spotpool/internal/fault"
)

// problemOut is an RFC 9457 problem. Code is stable; the documentation lists all of them.
type problemOut struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Code      string        `json:"code"`
	Detail    string        `json:"detail"`
	RequestID string        `json:"request_id"`
	Errors    []fault.Field `json:"errors,omitempty"`
}

// statusOf is the one map from kinds of faults to HTTP.
var statusOf = map[fault.Kind]int{
	fault.Internal:      http.StatusInternalServerError,
	fault.Invalid:       http.StatusUnprocessableEntity,
	fault.Malformed:     http.StatusBadRequest,
	fault.Unauthorized:  http.StatusUnauthorized,
	fault.Forbidden:     http.StatusForbidden,
	fault.NotFound:      http.StatusNotFound,
	fault.Conflict:      http.StatusConflict,
	fault.Stale:         http.StatusPreconditionFailed,
	fault.Unconditional: http.StatusPreconditionRequired,
	fault.TooMany:       http.StatusTooManyRequests,
	fault.Unavailable:   http.StatusServiceUnavailable,
}

// refuse answers with the problem that err is. What nobody classified is logged
// and answered without its text.
func (s *Server) refuse(c *gin.Context, err error) {
	var f *fault.Error
	if errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil {
		c.Abort() // the client has gone
		return
	}
	if !errors.As(err, &f) || f.Kind == fault.Internal {
		s.Log.ErrorContext(c.Request.Context(), "request failed", "err", err)
		f = fault.New(fault.Internal, "internal", "something went wrong here; the request id helps to find it")
	}
	write(c, problemOut{Status: statusOf[f.Kind], Code: f.Code, Detail: f.Detail, Errors: f.Fields})
}

func problem(c *gin.Context, status int, code, detail string) {
	write(c, problemOut{Status: status, Code: code, Detail: detail})
}

func write(c *gin.Context, p problemOut) {
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), c.GetString(requestIDKey)
	if p.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	c.Header("Content-Type", "application/problem+json")
	c.AbortWithStatusJSON(p.Status, p)
}

// recover turns a panic into a problem.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.Log.ErrorContext(c.Request.Context(), "request panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			problem(c, http.StatusInternalServerError, "internal", "something went wrong here; the request id helps to find it")
		}
	}()
	c.Next()
}
