package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
)

type broadcastIn struct {
	Text   string   `json:"text"`
	Center *placeIn `json:"center"`
	Radius *int     `json:"radius_metres"`
}

func (in broadcastIn) announcement() (an notify.Announcement, err error) {
	center, err := in.Center.place("center")
	switch {
	case err != nil:
		return an, err
	case in.Radius == nil:
		return an, missing("radius_metres")
	}
	return notify.Announcement{Text: in.Text, Area: notify.Area{Point: center.Point, Radius: *in.Radius}}, nil
}

type centerOut struct {
	Lat float64 `json:"lat"`
	Lng float64 `json:"lng"`
}

type pagesOut struct {
	Expected int `json:"expected"`
	Begun    int `json:"begun"`
	Done     int `json:"done"`
	Failed   int `json:"failed"`
}

type broadcastOut struct {
	ID         uuid.UUID             `json:"id"`
	State      notify.BroadcastState `json:"state"`
	Text       string                `json:"text"`
	Center     centerOut             `json:"center"`
	Radius     int                   `json:"radius_metres"`
	Told       int                   `json:"told"`
	Pages      pagesOut              `json:"pages"`
	CreatedAt  string                `json:"created_at"`
	FinishedAt *string               `json:"finished_at"`
}

func broadcastOf(b notify.Broadcast) broadcastOut {
	return broadcastOut{
		ID: b.ID, State: b.State, Text: b.Text, Center: centerOut{b.Area.Lat, b.Area.Lng}, Radius: b.Area.Radius,
		Told: b.Told, Pages: pagesOut{b.PagesExpected, b.Pages, b.PagesDone, b.PagesFailed},
		CreatedAt: stamp(b.CreatedAt), FinishedAt: stampOrNil(b.FinishedAt),
	}
}

func (s *Server) announce(_ *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[broadcastIn](body)
	if err != nil {
		return reply{}, err
	}
	an, err := in.announcement()
	if err != nil {
		return reply{}, err
	}
	b, err := s.Notices.Announce(tx, an)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, location: "/v1/broadcasts/" + b.ID.String(), body: broadcastOf(b)}, nil
}

func (s *Server) listBroadcasts(c *gin.Context) {
	after, limit, err := pageIn(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	found, err := s.Notices.Broadcasts(c.Request.Context(), after, limit+1)
	if err != nil {
		s.refuse(c, err)
		return
	}
	sendPage(c, found, limit, func(b notify.Broadcast) uuid.UUID { return b.ID }, broadcastOf)
}

func (s *Server) callOff(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := s.target(c, body, notify.ErrNoBroadcast, "broadcast_id")
	if err != nil {
		return reply{}, err
	}
	b, err := s.Notices.CallOff(tx, id)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: broadcastOf(b)}, nil
}
