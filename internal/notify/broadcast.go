package notify

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs"
)

// Area is a circle on the globe.
type Area struct {
	geo.Point
	Radius int // metres
}

// Holds reports whether a point lies in the area.
func (a Area) Holds(p geo.Point) bool { return geo.Distance(a.Point, p) <= float64(a.Radius) }

// BroadcastState says how far a broadcast is.
type BroadcastState string

// The states. All but the first are final.
const (
	Sending   BroadcastState = "sending"
	Sent      BroadcastState = "sent"
	Failed    BroadcastState = "failed"    // a page of riders could not be told, nor those after it
	CalledOff BroadcastState = "cancelled" // by an operator
)

// Broadcast is one message to all riders who wait or are to be picked up in an area.
type Broadcast struct {
	ID    uuid.UUID
	State BroadcastState
	Text  string
	Area  Area `gorm:"-"`
	Told  int  // riders, as last counted
	Pages int  // of orders that were begun so far

	// PagesExpected is how many there were to be when the broadcast was accepted.
	PagesExpected int

	PagesDone   int
	PagesFailed int
	CreatedAt   time.Time
	FinishedAt  *time.Time // when nothing of it was running any more

	Lat, Lng float64 // the area, as the table holds it
	RadiusM  int
}

// TableName implements gorm's Tabler.
func (Broadcast) TableName() string { return "broadcasts" }

// The limits of what may be broadcast.
const (
	maxBroadcast = 300 // characters
	minRadius    = 100 // metres
	maxRadius    = 50_000
)

// Faults of broadcasts.
var (
	// ErrNoBroadcast says that there is no such broadcast.
	ErrNoBroadcast = fault.New(fault.NotFound, "broadcast_not_found", "there is no such broadcast")
	// ErrBroadcastOver says that a broadcast has reached everyone, or has failed.
	ErrBroadcastOver = fault.New(fault.Conflict, "broadcast_over", "the broadcast is over")
)

// Announcement is what an operator wants to broadcast.
type Announcement struct {
	Text string
	Area Area
}

// check returns the first fault in the announcement.
func (an Announcement) check() error {
	switch n := utf8.RuneCountInString(an.Text); {
	case strings.TrimSpace(an.Text) == "":
		return fault.Fieldf("text", "text_empty", "text must say something")
	case n > maxBroadcast:
		return fault.Fieldf("text", "text_too_long", "text has at most %d characters", maxBroadcast)
	case !an.Area.Valid():
		return fault.Fieldf("center", "point_off_the_globe", "latitude must be within ±90 and longitude within ±180 degrees")
	case an.Area.Radius < minRadius || an.Area.Radius > maxRadius:
		return fault.Fieldf("radius_metres", "radius_out_of_range", "radius_metres must be from %d to %d", minRadius, maxRadius)
	}
	return nil
}

// Announce accepts a broadcast and starts its flow, in the caller's transaction.
// It returns an Invalid fault, text_empty, text_too_long, point_off_the_globe or
// radius_out_of_range, for what cannot be broadcast.
func (s *Service) Announce(tx *db.Tx, an Announcement) (Broadcast, error) {
	if err := an.check(); err != nil {
		return Broadcast{}, err
	}
	waiting, err := s.deps.Rides.UpcomingCount(tx.Statement.Context, an.Area)
	if err != nil {
		return Broadcast{}, err
	}
	b := Broadcast{
		PagesExpected: waiting/pageSize + 1, // the last page is not full
		ID:            uuid.Must(uuid.NewV7()), State: Sending, Text: an.Text, Area: an.Area, Pages: 1, CreatedAt: s.deps.Clock.Now(),
		Lat: an.Area.Lat, Lng: an.Area.Lng, RadiusM: an.Area.Radius,
	}
	if err := tx.Create(&b).Error; err != nil {
		return Broadcast{}, err
	}
	_, err = s.deps.Jobs.Start(tx, jobs.Subject{Kind: "broadcast", ID: b.ID}, Spread(b.ID))
	return b, err
}

// CallOff calls a broadcast off in the caller's transaction: pages that have
// not begun are not told any more. One that was called off already comes back as it
// is, one that is over as ErrBroadcastOver.
func (s *Service) CallOff(tx *db.Tx, id uuid.UUID) (b Broadcast, err error) {
	n, err := tx.Change("UPDATE broadcasts SET state = ? WHERE id = ? AND state = ?", CalledOff, id, Sending)
	if err != nil {
		return b, err
	}
	if n == 1 {
		if _, err := s.deps.Jobs.Cancel(tx, id); err != nil {
			return b, err
		}
	}
	b, err = broadcast(tx, id)
	if err == nil && b.State != CalledOff {
		err = ErrBroadcastOver
	}
	return b, err
}

// Broadcast returns one broadcast, or ErrNoBroadcast.
func (s *Service) Broadcast(ctx context.Context, id uuid.UUID) (Broadcast, error) {
	return broadcast(&db.Tx{DB: s.deps.DB.Read(ctx)}, id)
}

// Broadcasts returns up to limit broadcasts older than the one named after, newest first;
// uuid.Nil begins with the newest.
func (s *Service) Broadcasts(ctx context.Context, after uuid.UUID, limit int) (found []Broadcast, err error) {
	q := s.deps.DB.Read(ctx).Order("id DESC").Limit(limit)
	if after != uuid.Nil {
		q = q.Where("id < ?", after)
	}
	err = q.Find(&found).Error
	for i := range found {
		found[i].locate()
	}
	return found, err
}

func broadcast(tx *db.Tx, id uuid.UUID) (b Broadcast, err error) {
	err = tx.Where("id = ?", id).Take(&b).Error
	if errors.Is(err, db.ErrNotFound) {
		err = ErrNoBroadcast
	}
	b.locate()
	return b, err
}

// locate fills in the area from the columns.
func (b *Broadcast) locate() { b.Area = Area{geo.Point{Lat: b.Lat, Lng: b.Lng}, b.RadiusM} }
