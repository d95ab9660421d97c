package trip

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// Through the queue: a trip that was offered departs by itself at its time.
func TestATripDepartsByItself(t *testing.T) {
	h, now := jobstest.New(t), clock.System{}
	s := NewService(h.DB, h.Client, now, Config{Travel: minutes{}, DefaultDetour: DefaultDetour})
	s.Register(h.Registry)
	h.Work("low")

	var offered Trip
	err := h.DB.Tx(t.Context(), func(tx *db.Tx) (err error) {
		offer := anOffer()
		offer.DepartAt = now.Now().Add(300 * time.Millisecond)
		if offered, err = s.Offer(tx, offer); err != nil {
			return err
		}
		return h.Client.Dispatch(tx, Depart(uuid.New())) // of no trip: nothing happens
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Await("the trip departs", func() bool {
		got, err := s.Get(t.Context(), offered.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status == Departed && got.ChangedAt.Before(got.DepartAt) {
			t.Fatalf("departed at %s, before %s", got.ChangedAt, got.DepartAt)
		}
		return got.Status == Departed
	})
}
