package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

// queueRoutes is the operator's side of the queue.
func (s *Server) queueRoutes(r *gin.RouterGroup) {
	r.GET("/failed", s.listFailed)
	r.DELETE("/failed", s.flushFailed)
	r.POST("/failed/retry", s.act(s.retryFailed))
	r.GET("/failed/:id", one(s, errFailedJobNotFound, s.Admin.FailedJob, FailedJobInFull))
	r.DELETE("/failed/:id", s.forgetFailed)
	r.POST("/failed/:id/retry", s.write(s.retryOne))
	r.GET("/batches", s.listBatches)
	r.GET("/batches/:id", one(s, errBatchNotFound, s.Jobs.Batch, QueueBatchOf))
	r.POST("/prune-batches", s.act(s.pruneBatches))
	r.GET("/flows", s.listFlows)
	r.GET("/flows/:id", one(s, errFlowNotFound, s.flow, QueueFlowOf))
	r.POST("/flows/:id/cancel", s.write(s.cancelFlow))
	r.GET("/queues", s.listQueues)
	r.POST("/queues/:name/pause", s.act(s.pauseQueue))
	r.POST("/queues/:name/continue", s.act(s.continueQueue))
	r.POST("/restart", s.act(s.restartWorkers))
}

// action handles a POST that makes transactions of its own, because it is too
// much for one or waits for Redis. Done twice, it does what it does once.
type action func(c *gin.Context, body []byte) (reply, error)

// act runs an action. With an Idempotency-Key the answer is stored once it is
// done, so that a repeat gets it again; of two that come at the same time both
// are carried out.
func (s *Server) act(handle action) gin.HandlerFunc {
	return s.post(func(c *gin.Context, key keyRow, body []byte) (storedAnswer, error) {
		if old, ok, err := s.stored(c, key); ok || err != nil {
			return old, err
		}
		r, err := handle(c, body)
		if err != nil {
			return storedAnswer{}, err
		}
		return s.answer(c, key, func(*gin.Context, *db.Tx, []byte) (reply, error) { return r, nil }, body)
	})
}

// maxHours is how far back an age in hours may reach: ten years.
const maxHours = 10 * 365 * 24

// hoursAgo returns the time that many hours ago.
func (s *Server) hoursAgo(field string, hours int) (time.Time, error) {
	if hours < 0 || hours > maxHours {
		return time.Time{}, fault.Fieldf(field, "hours_out_of_range", "%s must be from 0 to %d", field, maxHours)
	}
	return s.Clock.Now().Add(-time.Duration(hours) * time.Hour), nil
}

var errQueueNotFound = fault.New(fault.NotFound, "queue_not_found", "there is no such queue")

// redisPatience is how long an operator's question waits for Redis.
const redisPatience = 3 * time.Second

func (s *Server) listQueues(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), redisPatience)
	defer cancel()
	views, err := s.Admin.Queues(ctx, s.Queues...)
	if err != nil {
		s.refuse(c, fault.Wrap(err, fault.Unavailable, "redis_unavailable", "Redis does not answer, and how long its queues are is known only there"))
		return
	}
	page := pageOut[QueueState]{Items: []QueueState{}}
	for _, v := range views {
		page.Items = append(page.Items, QueueStateOf(v))
	}
	c.JSON(http.StatusOK, page)
}

// queueIn returns the queue named in the path of a POST without fields.
func (s *Server) queueIn(c *gin.Context, body []byte) (string, error) {
	if err := noFields(body); err != nil {
		return "", err
	}
	name := c.Param("name")
	if !slices.Contains(s.Queues, name) {
		return "", errQueueNotFound
	}
	return name, nil
}

type pausedOut struct {
	Name   string `json:"name"`
	Paused bool   `json:"paused"`
}

func (s *Server) pauseQueue(c *gin.Context, body []byte) (reply, error) {
	name, err := s.queueIn(c, body)
	if err == nil {
		err = s.Admin.Pause(c.Request.Context(), name)
	}
	return reply{status: http.StatusOK, body: pausedOut{name, true}}, err
}

func (s *Server) continueQueue(c *gin.Context, body []byte) (reply, error) {
	name, err := s.queueIn(c, body)
	if err == nil {
		_, err = s.Admin.Continue(c.Request.Context(), name)
	}
	return reply{status: http.StatusOK, body: pausedOut{name, false}}, err
}

func (s *Server) restartWorkers(c *gin.Context, body []byte) (reply, error) {
	if err := noFields(body); err != nil {
		return reply{}, err
	}
	if err := s.Admin.Restart(c.Request.Context()); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: gin.H{"status": "restarting"}}, nil
}
