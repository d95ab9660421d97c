package order

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

func TestRequest(t *testing.T) {
	w := newWorld(t)
	o := w.placed(w.person(), aWish())
	want := match.Request{OrderID: o.ID, Origin: place(5), Dest: place(25), Seats: 1, Earliest: noon, Latest: at(45), DecideBy: at(5)}
	for _, status := range all {
		w.exec("UPDATE orders SET status = ? WHERE id = ?", status, o.ID)
		req, waiting, err := w.Request(t.Context(), o.ID)
		if req != want || waiting != (status == Matching) || err != nil {
			t.Errorf("%s: %+v, waiting %v, %v", status, req, waiting, err)
		}
	}
	if _, waiting, err := w.Request(t.Context(), uuid.New()); waiting || !errors.Is(err, ErrNotFound) {
		t.Errorf("no such order: waiting %v, %v", waiting, err)
	}
}

func TestMatched(t *testing.T) {
	w := newWorld(t)
	o, ride := w.placed(w.person(), aWish()), w.offered(4)
	w.clock.Advance(time.Minute)
	match := func(pickup, dropoff float64) error {
		return w.h.DB.Tx(t.Context(), func(tx *db.Tx) error { return w.Matched(tx, o.ID, ride.ID, at(pickup), at(dropoff)) })
	}
	if err := match(15, 35); err != nil {
		t.Fatal(err)
	}
	got := w.get(o.ID)
	pickup, dropoff, now := at(15), at(35), at(1)
	o.Status, o.Version, o.ChangedAt, o.MatchedAt = Matched, 2, now, &now
	o.TripID, o.PickupAt, o.Promised, o.DropoffAt = uuid.NullUUID{UUID: ride.ID, Valid: true}, &pickup, &pickup, &dropoff
	if !reflect.DeepEqual(got, o) {
		t.Errorf("got  %+v\nwant %+v", got, o)
	}
	if err := match(1, 2); !errors.Is(err, errMoved) || !reflect.DeepEqual(w.get(o.ID), got) {
		t.Errorf("a second time: %v, %+v", err, w.get(o.ID))
	}
}

func TestWaiting(t *testing.T) {
	w := newWorld(t)
	from := func(lat, minutes float64) uuid.UUID {
		wish := aWish()
		wish.Origin, wish.Dest = place(lat), place(lat+20)
		depart := at(minutes)
		wish.DepartAfter = &depart
		return w.placed(w.person(), wish).ID
	}
	late, soon, next := from(10, 30), from(11, 0), from(12, 10)
	from(25, 0) // starts elsewhere
	gone := from(10, 5)
	w.exec("UPDATE orders SET status = 'matched' WHERE id = ?", gone)
	near := geo.Box{MinLat: place(9).Lat, MaxLat: place(13).Lat, MinLng: -0.01, MaxLng: 0.01}
	for name, c := range map[string]struct {
		box   geo.Box
		limit int
		later time.Duration
		want  []uuid.UUID
	}{
		"nearest deadline first": {near, 10, 0, []uuid.UUID{soon, next, late}},
		"not more than asked":    {near, 2, 0, []uuid.UUID{soon, next}},
		"edges are in":           {geo.Box{MinLat: place(11).Lat, MaxLat: place(12).Lat}, 10, 0, []uuid.UUID{soon, next}},
		"east of it":             {geo.Box{MinLat: place(9).Lat, MaxLat: place(13).Lat, MinLng: 0.01, MaxLng: 1}, 10, 0, nil},
		"not those out of time":  {near, 10, 5 * time.Minute, []uuid.UUID{next, late}},
	} {
		w.clock.Advance(c.later)
		found, err := w.Waiting(t.Context(), c.box, c.limit)
		w.clock.Advance(-c.later)
		var ids []uuid.UUID
		for _, r := range found {
			ids = append(ids, r.OrderID)
		}
		if err != nil || !slices.Equal(ids, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, ids, err, c.want)
		}
	}
	found, err := w.Waiting(t.Context(), near, 1)
	if o := w.get(soon); err != nil || len(found) != 1 || found[0] != o.request() {
		t.Errorf("found %+v, %v, want %+v", found, err, o.request())
	}
}

func TestRide(t *testing.T) {
	w := newWorld(t)
	ride, elsewhere := w.offered(8), w.offered(8)
	rider, other, left := w.person(), w.person(), w.person()
	o := w.placed(rider, aWish())
	alone, err := w.Ride(t.Context(), o.ID)
	if got, err := w.Sharing(t.Context(), o.ID); err != nil || len(got) > 0 {
		t.Errorf("without a trip, shared with %v, %v", got, err)
	}
	if want := (notify.Ride{OrderID: o.ID, RiderID: rider, Origin: "a place", Dest: "a place"}); err != nil || !reflect.DeepEqual(alone, want) {
		t.Errorf("without a trip: %+v, %v, want %+v", alone, err, want)
	}
	w.seat(o, ride, at(15), at(35))
	w.seat(w.placed(rider, aWish()), ride, at(15), at(35))     // oneself is not another
	w.seat(w.placed(other, aWish()), ride, at(15), at(35))     // who has two orders
	w.seat(w.placed(other, aWish()), ride, at(15), at(35))     // is one person
	w.seat(w.placed(left, aWish()), elsewhere, at(15), at(35)) // another car
	gone := w.placed(left, aWish())
	w.seat(gone, ride, at(15), at(35))
	w.cancelled(gone)
	want := notify.Ride{
		OrderID: o.ID, RiderID: rider, TripID: ride.ID, DriverID: ride.DriverID,
		PickupAt: at(15), ArriveAt: at(35), Seated: true, Shared: true, Origin: "a place", Dest: "a place",
	}
	if got, err := w.Ride(t.Context(), o.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if got, err := w.Sharing(t.Context(), o.ID); err != nil || !slices.Equal(got, []uuid.UUID{other}) {
		t.Errorf("shared with %v, %v, want %v", got, err, other)
	}
	if _, err := w.Ride(t.Context(), uuid.New()); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such order: %v", err)
	}
}

// What a ride says of where it stands decides whether there is news of it.
func TestRides(t *testing.T) {
	w := newWorld(t)
	ride, off := w.offered(8), w.offered(8)
	seat := func(on trip.Trip) Order {
		o := w.placed(w.person(), aWish())
		w.seat(o, on, at(15), at(35))
		return o
	}
	waits, rides, driven, gone, called := w.placed(w.person(), aWish()), seat(ride), seat(ride), seat(ride), seat(off)
	w.exec("UPDATE orders SET status = ? WHERE id = ?", Riding, rides.ID)
	w.exec("UPDATE orders SET status = ? WHERE id = ?", Completed, driven.ID)
	w.cancelled(gone)
	if _, err := w.cancelTrip(off.ID, off.DriverID); err != nil {
		t.Fatal(err)
	}
	type state struct{ on, Seated, Aboard, Arrived, Over, Shared bool }
	want := map[uuid.UUID]state{
		waits.ID: {}, rides.ID: {true, true, true, false, false, true}, driven.ID: {true, false, false, true, false, true},
		gone.ID: {true, false, false, false, true, true}, called.ID: {on: true},
	}
	ids := append(slices.Collect(maps.Keys(want)), uuid.New())
	found, err := w.Rides(t.Context(), ids...)
	if err != nil || len(found) != len(want) {
		t.Errorf("found %d, %v", len(found), err)
	}
	for _, r := range found {
		if got := (state{r.TripID != uuid.Nil, r.Seated, r.Aboard, r.Arrived, r.Over, r.Shared}); got != want[r.OrderID] {
			t.Errorf("%+v, want %+v", r, want[r.OrderID])
		}
	}
}

func TestUpcoming(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(8)
	from := func(lat float64, rider uuid.UUID) Order {
		wish := aWish()
		wish.Origin, wish.Dest = place(lat), place(lat+20)
		return w.placed(rider, wish)
	}
	seated := func(o Order, pickup float64) Order {
		w.seat(o, ride, at(pickup), at(pickup+20))
		return o
	}
	twice := w.person()
	waits := from(10, w.person())
	from(10, twice)
	soon := seated(from(10, w.person()), 3)
	from(11, twice)
	seated(from(10, w.person()), 1) // picked up by then
	from(12, w.person())            // in the box, not in the circle; a minute's way is 1.1 km
	from(13, w.person())            // elsewhere
	gone := from(10, w.person())
	w.exec("UPDATE orders SET status = 'cancelled' WHERE id = ?", gone.ID)
	sure := seated(from(9, w.person()), 4)
	w.exec("UPDATE orders SET status = 'confirmed' WHERE id = ?", sure.ID)
	w.exec("UPDATE orders SET origin_lng = 0.02 WHERE origin_lat = ?", place(12).Lat)
	w.clock.Advance(2 * time.Minute)
	in := notify.Area{Point: place(10).Point, Radius: 2300} // two minutes' way, and a little

	want := []uuid.UUID{waits.RiderID, twice, soon.RiderID, sure.RiderID}
	riders, last, err := w.Upcoming(t.Context(), in, uuid.Nil, 100)
	if err != nil || !slices.Equal(riders, want) || last != uuid.Nil {
		t.Errorf("told %v, then %v, %v; want %v", riders, last, err, want)
	}
	var paged []uuid.UUID
	pages := 0
	for after := uuid.Nil; pages < 10; pages++ {
		riders, last, err := w.Upcoming(t.Context(), in, after, 2)
		if err != nil || len(riders) > 2 {
			t.Fatal(riders, err)
		}
		paged = append(paged, riders...)
		if after = last; last == uuid.Nil {
			break
		}
	}
	if want := []uuid.UUID{waits.RiderID, twice, soon.RiderID, twice, sure.RiderID}; !slices.Equal(paged, want) || pages < 2 {
		t.Errorf("by twos %v, want %v", paged, want)
	}
	w.clock.Advance(3 * time.Minute) // nobody waits any more, everyone was picked up
	if riders, _, err := w.Upcoming(t.Context(), in, uuid.Nil, 100); err != nil || len(riders) != 0 {
		t.Errorf("afterwards %v, %v", riders, err)
	}
}
