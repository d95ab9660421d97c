package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// pageOut is one page of a list. The cursor is absent on the last one.
type pageOut[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty"`
}

// pageIn reads ?limit and ?cursor.
func pageIn(c *gin.Context) (after uuid.UUID, limit int, err error) {
	limit = defaultLimit
	if text := c.Query("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxLimit {
			return after, 0, fault.Fieldf("limit", "limit_out_of_range", "limit must be from 1 to %d", maxLimit)
		}
	}
	if text := c.Query("cursor"); text != "" {
		if after, err = uuid.Parse(text); err != nil {
			return after, 0, fault.Fieldf("cursor", "cursor_invalid", "cursor must be a next_cursor that a page came with")
		}
	}
	return after, limit, nil
}

// sendPage answers with up to limit rows, of which one more was asked for to
// see whether there is a next page.
func sendPage[R, T any](c *gin.Context, rows []R, limit int, id func(R) uuid.UUID, out func(R) T) {
	page := pageOut[T]{Items: []T{}}
	if len(rows) > limit {
		rows = rows[:limit]
		page.NextCursor = id(rows[limit-1]).String()
	}
	for _, r := range rows {
		page.Items = append(page.Items, out(r))
	}
	c.JSON(http.StatusOK, page)
}

// one answers with what read finds under the id in the path.
func one[R, T any](s *Server, notFound error, read func(context.Context, uuid.UUID) (R, error), out func(R) T) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, err := pathID(c, notFound)
		if err != nil {
			s.refuse(c, err)
			return
		}
		found, err := read(c.Request.Context(), id)
		if err != nil {
			s.refuse(c, named(err, notFound))
			return
		}
		c.JSON(http.StatusOK, out(found))
	}
}

// named returns notFound in place of the database's own error.
func named(err, notFound error) error {
	if errors.Is(err, db.ErrNotFound) {
		return notFound
	}
	return err
}

// pathID reads the id in the path; what is not an id names nothing.
func pathID(c *gin.Context, notFound error) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return id, notFound
	}
	return id, nil
}
