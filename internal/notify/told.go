package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Told is what became of telling people of an event of a trip. Where the event is worth
// an SMS, that counts: the inbox is not looked into at once.
type Told struct {
	Event      Event
	Total      int          // people, once for each time that it happened
	Told       int          // who got the SMS, or where there is none to get, the notice
	Waiting    int          // whose SMS is still to be sent
	Missed     map[Fate]int // who was not told, by why
	BegunAt    time.Time
	FinishedAt *time.Time // nil while some wait
}

// TripTold returns how people were told of a trip, an entry for each event in the order
// in which they first happened.
func (s *Service) TripTold(ctx context.Context, trip uuid.UUID) ([]Told, error) {
	var rows []struct {
		Event     Event
		SMS       Fate `gorm:"column:sms"`
		Hidden    bool
		CreatedAt time.Time
		SettledAt *time.Time
	}
	err := s.deps.DB.Read(ctx).Raw(`SELECT event, sms, hidden, created_at, settled_at
		FROM notices WHERE trip_id = ? ORDER BY id`, trip).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	var all []Told
	at := map[Event]int{}
	for _, r := range rows {
		i, known := at[r.Event]
		if !known {
			i = len(all)
			at[r.Event] = i
			all = append(all, Told{Event: r.Event, Missed: map[Fate]int{}, BegunAt: r.CreatedAt.UTC()})
		}
		all[i].count(r.SMS, r.Hidden, r.SettledAt)
	}
	for i := range all {
		if all[i].Waiting > 0 {
			all[i].FinishedAt = nil
		}
	}
	return all, nil
}

// count adds one notice.
func (t *Told) count(sms Fate, hidden bool, settled *time.Time) {
	t.Total++
	switch {
	case sms == Waiting:
		t.Waiting++
	case sms == Delivered, sms == Unasked && !hidden:
		t.Told++
	case sms == Unasked:
		t.Missed[OptedOut]++
	default:
		t.Missed[sms]++
	}
	if settled != nil && (t.FinishedAt == nil || settled.After(*t.FinishedAt)) {
		t.FinishedAt = new(settled.UTC())
	}
}

// once are the events that happen to an order at most once, and oncePerTrip those that
// happen at most once on each trip that it has had.
var (
	once        = []Event{Expired, Declined, Cancelled, Receipted, Refunded, NoShow}
	oncePerTrip = []Event{Matched, Moved, Reminder, Rematching, Departed, Near, Here, Completed}
)

// ToldTwice returns a sentence for each person who was told more often of an event of an
// order than it can have happened. It counts by order, whatever the notices' keys say.
func (s *Service) ToldTwice(ctx context.Context) (lines []string, err error) {
	var rows []struct {
		UserID, OrderID uuid.UUID
		Event           Event
		N, Most         int
	}
	err = s.deps.DB.Read(ctx).Raw(`SELECT n.user_id, n.order_id, n.event, COUNT(*) AS n,
			CASE WHEN n.event IN @once THEN 1 ELSE 1 + MAX(o.rematches) END AS most
		FROM notices n JOIN orders o ON o.id = n.order_id WHERE n.event IN @once OR n.event IN @trip
		GROUP BY n.user_id, n.order_id, n.event
		HAVING COUNT(*) > CASE WHEN n.event IN @once THEN 1 ELSE 1 + MAX(o.rematches) END`,
		map[string]any{"once": once, "trip": oncePerTrip}).Scan(&rows).Error
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("user %s was told %d times of %s of order %s, which happened %d times at most",
			r.UserID, r.N, r.Event, r.OrderID, r.Most))
	}
	return lines, err
}
