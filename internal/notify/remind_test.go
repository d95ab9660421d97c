package notify

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

func TestARiderIsRemindedOnce(t *testing.T) {
	w := newWorld(t) // an hour before the pickup
	rider := w.ride.RiderID
	early := w.queue.Start(jobs.Chain(Remind(w.ride.OrderID)))
	w.queue.Await("the reminder to wait", func() bool { return w.queue.Events()["notify:remind released"] == 1 })
	if due := w.queue.Flow(early).Stages[0].Jobs[0].DueAt; time.Until(*due) < 44*time.Minute || time.Until(*due) > 45*time.Minute {
		t.Errorf("put off until %s", due)
	}
	w.clock.Advance(46 * time.Minute)
	w.wake(t, early)
	w.queue.AwaitFlow(early, "done")
	w.run(Remind(w.ride.OrderID)) // that of another confirmation
	if got := w.inbox(t, rider); !slices.Equal(got, []Event{Reminder}) {
		t.Errorf("inbox has %v, want one reminder", got)
	}
	w.queue.Await("an SMS", func() bool { return len(w.sent.to(rider)) == 1 })

	w.ride.Round = 1 // on another trip
	w.run(Remind(w.ride.OrderID))
	if got := w.inbox(t, rider); len(got) != 2 {
		t.Errorf("inbox has %v, want one reminder for each trip", got)
	}
}

func TestNobodyIsRemindedInVain(t *testing.T) {
	w := newWorld(t)
	w.clock.Advance(50 * time.Minute)
	w.ride.Seated = false
	w.run(Remind(w.ride.OrderID), Remind(uuid.New()))
	w.ride.Seated = true
	w.clock.Advance(10 * time.Minute)
	w.run(Remind(w.ride.OrderID))
	if got := w.inbox(t, w.ride.RiderID); len(got) != 0 {
		t.Errorf("inbox has %v", got)
	}
}

// Of each change of times a rider is told once, and only while there is a ride.
func TestARiderIsToldOfOtherTimes(t *testing.T) {
	w := newWorld(t)
	rider := w.ride.RiderID
	first := Retimed(w.ride.OrderID, 3)
	w.run(first, first, Retimed(uuid.New(), 3))
	if got := w.inbox(t, rider); !slices.Equal(got, []Event{Late}) {
		t.Errorf("inbox has %v", got)
	}
	w.ride.Aboard = true
	w.run(Retimed(w.ride.OrderID, 5))
	w.ride.Seated = false
	w.run(Retimed(w.ride.OrderID, 7))
	if got := w.inbox(t, rider); !slices.Equal(got, []Event{Late, Late}) {
		t.Errorf("inbox has %v", got)
	}
	jobstest.AssertKindCount(t, w.queue, smsKind.Name, 2)
}

// Who sits in the car is neither reminded nor told that it has come.
func TestWhoIsInTheCarIsLeftInPeace(t *testing.T) {
	w := newWorld(t)
	w.clock.Advance(50 * time.Minute)
	w.ride.Aboard = true
	w.run(Remind(w.ride.OrderID), Rider(w.ride.OrderID, Here))
	w.ride.Aboard, w.ride.Seated = false, false
	w.run(Rider(w.ride.OrderID, Here))
	if got := w.inbox(t, w.ride.RiderID); len(got) != 0 {
		t.Errorf("inbox has %v", got)
	}
	w.ride.Seated = true
	w.run(Rider(w.ride.OrderID, Here))
	if got := w.inbox(t, w.ride.RiderID); !slices.Equal(got, []Event{Here}) {
		t.Errorf("inbox has %v", got)
	}
}

// A notice that comes when its order was deleted, or has lost its trip, is dropped.
func TestLateNoticesAreDropped(t *testing.T) {
	w := newWorld(t)
	w.run(Rider(uuid.New(), Matched), smsKind.New(smsArgs{Notice: uuid.New(), User: uuid.New()}))
	w.ride.DriverID, w.ride.PickupAt, w.ride.Seated = uuid.Nil, time.Time{}, false
	w.run(Rider(w.ride.OrderID, Matched))
	if got := w.inbox(t, w.ride.RiderID); len(got) != 0 {
		t.Errorf("inbox has %v", got)
	}
	w.run(Rider(w.ride.OrderID, Rematching))
	if got := w.inbox(t, w.ride.RiderID); !slices.Equal(got, []Event{Rematching}) {
		t.Errorf("inbox has %v", got)
	}
}

// Who rides with another trip than before is told anew, once.
func TestEveryTripIsTold(t *testing.T) {
	w := newWorld(t)
	for round := range 3 {
		w.ride.Round = round
		w.run(Rider(w.ride.OrderID, Matched), Rider(w.ride.OrderID, Matched))
	}
	found, err := w.Inbox(t.Context(), w.ride.RiderID, uuid.Nil, 10)
	if err != nil || len(found) != 3 {
		t.Fatalf("inbox %+v, %v", found, err)
	}
	for _, n := range found {
		if n.OrderID.UUID != w.ride.OrderID || !n.OrderID.Valid {
			t.Errorf("about order %v", n.OrderID)
		}
	}
}

func TestADriverIsToldOfTheStatement(t *testing.T) {
	w := newWorld(t)
	driver := w.ride.DriverID
	w.run(StatementReady(driver, "2026-05-03"), StatementReady(driver, "2026-05-03"), StatementReady(driver, "2026-05-02"), StatementReady(uuid.New(), "2026-05-03"))
	found, err := w.Inbox(t.Context(), driver, uuid.Nil, 10)
	if err != nil || len(found) != 2 {
		t.Fatalf("inbox %+v, %v", found, err)
	}
	if want := "Your statement of 2026-05-03 is ready. Rides: 7. Fares: 123.45 CNY. Your share of what is settled: 98.76 CNY."; found[1].Text != want || found[1].Event != Statement || found[1].OrderID.Valid {
		t.Errorf("got %+v, want %q", found[1], want)
	}
}

func TestTags(t *testing.T) {
	id := uuid.New()
	order, user, driver, broadcast := "order:"+id.String(), "user:"+id.String(), "driver:"+id.String(), "broadcast:"+id.String()
	for want, all := range map[string][][]string{
		order:     {sendKind.Tags(sendArgs{Order: id}), remindKind.Tags(remindArgs{id})},
		user:      {smsKind.Tags(smsArgs{User: id}), codeKind.Tags(codeArgs{User: id})},
		driver:    {statementKind.Tags(statementArgs{Driver: id})},
		broadcast: {pageKind.Tags(pageArgs{Broadcast: id}), countKind.Tags(countArgs{Broadcast: id}), endKind.Tags(endArgs{Broadcast: id})},
	} {
		for _, tags := range all {
			if !slices.Equal(tags, []string{want}) {
				t.Errorf("tags %v, want %s", tags, want)
			}
		}
	}
}
