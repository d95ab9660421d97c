package notify

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// The jobs of earlier versions, each for one audience.
func Rider(order uuid.UUID, ev Event) jobs.Job  { return sendKind.New(sendArgs{order, ev, ToRider}) }
func Driver(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToDriver}) }
func Others(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToOthers}) }

func Retimed(order uuid.UUID, version int) jobs.Job {
	return retimedKind.New(retimedArgs{order, version})
}

func CancelledTrip(trip uuid.UUID) jobs.Job { return tripCancelledKind.New(tripCancelledArgs{trip}) }

// What an earlier version has asked for is carried out, and nobody hears twice of what
// both have told.
func TestJobsOfEarlierVersions(t *testing.T) {
	w := newWorld(t)
	order := w.ride.OrderID
	for kind, args := range map[string]struct {
		job  jobs.Job
		want string
	}{
		"notify:send":           {Others(order, Joined), `{"order_id":"` + order.String() + `","event":"joined","to":"others"}`},
		"notify:retimed":        {Retimed(order, 3), `{"order_id":"` + order.String() + `","trip_version":3}`},
		"notify:trip_cancelled": {CancelledTrip(theTrip), `{"trip_id":"` + theTrip.String() + `"}`},
		"notify:sms":            {smsKind.New(smsArgs{Notice: order, User: theTrip}), `{"notice_id":"` + order.String() + `","user_id":"` + theTrip.String() + `"}`},
	} {
		if args.job.Kind() != kind || string(args.job.Args()) != args.want {
			t.Errorf("%s takes %s, before %s", args.job.Kind(), args.job.Args(), args.want)
		}
	}
	w.run(Rider(order, Matched), Driver(order, Matched), Others(order, Joined), Retimed(order, 3), CancelledTrip(theTrip))
	w.run(About(order, Matched))
	w.tell(TripEvent{Trip: theTrip, Event: Late, Orders: []uuid.UUID{order}, Number: 3})
	for user, want := range map[uuid.UUID][]Event{
		w.ride.RiderID: {Matched, Late}, w.ride.DriverID: {Matched, TripCancelled}, w.share[0]: {Joined}, w.share[1]: {Joined},
	} {
		got := w.inbox(t, user)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	}
	jobstest.AssertKindCount(t, w.queue, smsKind.Name, 4)
}
