package httpapi

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

var errFailedJobNotFound = fault.New(fault.NotFound, "failed_job_not_found", "there is no such job among the failed ones")

// failedIn narrows the failed jobs.
type failedIn struct {
	Queue string `json:"queue"`
	Kind  string `json:"kind"`
	Tag   string `json:"tag"`
}

func (s *Server) filter(in failedIn) (jobs.FailedFilter, error) {
	if in.Queue != "" && !slices.Contains(s.Queues, in.Queue) {
		return jobs.FailedFilter{}, fault.Fieldf("queue", "queue_unknown", "there is no queue %q", in.Queue)
	}
	return jobs.FailedFilter{Queue: in.Queue, Kind: in.Kind, Tag: in.Tag}, nil
}

func (s *Server) listFailed(c *gin.Context) {
	after, limit, err := pageIn(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	filter, err := s.filter(failedIn{c.Query("queue"), c.Query("kind"), c.Query("tag")})
	if err != nil {
		s.refuse(c, err)
		return
	}
	filter.After, filter.Limit = after, limit+1
	failed, err := s.Admin.Failed(c.Request.Context(), filter)
	if err != nil {
		s.refuse(c, err)
		return
	}
	sendPage(c, failed, limit, func(j jobs.FailedJob) uuid.UUID { return j.ID }, FailedJobOf)
}

type retriedOut struct {
	Retried int `json:"retried"`
	Refused int `json:"refused"`
}

func (s *Server) retryOne(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := s.target(c, body, errFailedJobNotFound, "job_id")
	if err != nil {
		return reply{}, err
	}
	if err := s.Admin.RetryIn(tx, id); err != nil {
		return reply{}, named(err, errFailedJobNotFound)
	}
	return reply{status: http.StatusAccepted, body: retriedOut{Retried: 1}}, nil
}

func (s *Server) retryFailed(c *gin.Context, body []byte) (reply, error) {
	in, err := decode[failedIn](body)
	if err != nil {
		return reply{}, err
	}
	filter, err := s.filter(in)
	if err != nil {
		return reply{}, err
	}
	var out retriedOut
	out.Retried, out.Refused, err = s.Admin.RetryAll(c.Request.Context(), filter)
	return reply{status: http.StatusAccepted, body: out}, err
}

func (s *Server) forgetFailed(c *gin.Context) {
	id, err := pathID(c, errFailedJobNotFound)
	if err != nil {
		s.refuse(c, err)
		return
	}
	n, err := s.Admin.Forget(c.Request.Context(), id)
	if err == nil && n == 0 {
		err = errFailedJobNotFound
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

type deletedOut struct {
	Deleted int `json:"deleted"`
}

func (s *Server) flushFailed(c *gin.Context) {
	text := c.Query("hours")
	if text == "" {
		s.refuse(c, missing("hours"))
		return
	}
	hours, err := strconv.Atoi(text)
	if err != nil {
		hours = -1
	}
	before, err := s.hoursAgo("hours", hours)
	if err != nil {
		s.refuse(c, err)
		return
	}
	n, err := s.Admin.Flush(c.Request.Context(), before)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, deletedOut{n})
}
