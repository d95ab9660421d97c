package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

var (
	errFlowNotFound   = fault.New(fault.NotFound, "flow_not_found", "there is no such flow")
	errBatchNotFound  = fault.New(fault.NotFound, "batch_not_found", "there is no such batch")
	errFlowNotRunning = fault.New(fault.Conflict, "flow_not_running", "the flow does not run, so there is nothing to cancel")
)

func (s *Server) listBatches(c *gin.Context) {
	after, limit, err := pageIn(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	batches, err := s.Admin.Batches(c.Request.Context(), after, limit+1)
	if err != nil {
		s.refuse(c, err)
		return
	}
	sendPage(c, batches, limit, func(b jobs.BatchView) uuid.UUID { return b.ID }, QueueBatchOf)
}

type pruneIn struct {
	Hours           *int `json:"hours"`
	UnfinishedHours *int `json:"unfinished_hours"`
}

func (s *Server) pruneBatches(c *gin.Context, body []byte) (reply, error) {
	in, err := decode[pruneIn](body)
	if err != nil {
		return reply{}, err
	}
	if in.Hours == nil {
		return reply{}, missing("hours")
	}
	ended, err := s.hoursAgo("hours", *in.Hours)
	if err != nil {
		return reply{}, err
	}
	var unfinished time.Time
	if in.UnfinishedHours != nil {
		if unfinished, err = s.hoursAgo("unfinished_hours", *in.UnfinishedHours); err != nil {
			return reply{}, err
		}
	}
	n, err := s.Admin.PruneBatches(c.Request.Context(), ended, unfinished)
	return reply{status: http.StatusOK, body: deletedOut{n}}, err
}

func (s *Server) listFlows(c *gin.Context) {
	after, limit, err := pageIn(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	filter := jobs.FlowFilter{State: c.Query("state"), After: after, Limit: limit + 1}
	if filter.State != "" && !slices.Contains(jobs.FlowStates(), filter.State) {
		s.refuse(c, fault.Fieldf("state", "state_unknown", "there is no state %q of a flow", filter.State))
		return
	}
	if text := c.Query("subject"); text != "" {
		if filter.Subject, err = uuid.Parse(text); err != nil {
			s.refuse(c, fault.Fieldf("subject", "subject_invalid", "subject must be the id of an order or a trip"))
			return
		}
	}
	flows, err := s.Admin.Flows(c.Request.Context(), filter)
	if err != nil {
		s.refuse(c, err)
		return
	}
	sendPage(c, flows, limit, func(f jobs.FlowView) uuid.UUID { return f.ID }, QueueFlowOf)
}

func (s *Server) flow(ctx context.Context, id uuid.UUID) (jobs.FlowView, error) {
	f, ok, err := s.Jobs.Flow(ctx, id)
	if err == nil && !ok {
		err = errFlowNotFound
	}
	return f, err
}

// cancelFlow has a running flow stop; its catch chain runs afterwards.
func (s *Server) cancelFlow(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := s.target(c, body, errFlowNotFound, "flow_id")
	if err != nil {
		return reply{}, err
	}
	stopped, err := s.Jobs.CancelFlow(tx, id)
	if err == nil && !stopped {
		if _, err = s.flow(c.Request.Context(), id); err == nil {
			err = errFlowNotRunning
		}
	}
	return reply{status: http.StatusAccepted, location: "/v1/queue/flows/" + id.String(), body: gin.H{"status": "stopping"}}, err
}
