package notify

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestWords(t *testing.T) {
	zone := time.FixedZone("UTC+8", 8*60*60)
	at := time.Date(2026, 5, 4, 23, 45, 0, 0, time.UTC)
	ride := Ride{PickupAt: at, ArriveAt: at.Add(time.Hour), Origin: "Caohejing", Dest: "Lujiazui"}
	said := func(l Lang, ev Event, to Audience, r Ride) string {
		return write(l, sentence(ev, to), r.facts(), at, zone)
	}
	tests := []struct {
		ev   Event
		to   Audience
		want string
	}{
		{Matched, ToRider, "Your ride from Caohejing to Lujiazui is confirmed. Your driver picks you up at 07:45."},
		{Matched, ToDriver, "A rider from Caohejing to Lujiazui has joined your trip. Pickup at 07:45."},
		{Joined, ToOthers, "Another rider will share your car. Your arrival stays within the time we promised."},
		{Expired, ToRider, "We found no car for your ride from Caohejing to Lujiazui in time. You pay nothing."},
		{Declined, ToRider, "The payment for your ride from Caohejing to Lujiazui was declined, so your seat was given up."},
		{Cancelled, ToRider, "Your ride from Caohejing to Lujiazui is cancelled. The money held for it is released."},
		{Reminder, ToRider, "Your ride from Caohejing to Lujiazui: your driver picks you up at 07:45."},
		{Rematching, ToRider, "Your driver cannot take you from Caohejing to Lujiazui after all. We are looking for another car."},
		{Moved, ToRider, "Your ride from Caohejing to Lujiazui has another driver now, who picks you up at 07:45."},
		{Left, ToDriver, "A rider from Caohejing to Lujiazui goes with another driver now. Please do not wait for them."},
		{Rate, ToRider, "How was your ride from Caohejing to Lujiazui? Please rate your driver."},
		{Rate, ToDriver, "How was your rider from Caohejing to Lujiazui? Please rate them."},
		{Refunded, ToRider, "What you were charged for your ride from Caohejing to Lujiazui is given back to you."},
		{Here, ToRider, "Your driver is here for your ride from Caohejing to Lujiazui. Please come to the car."},
		{NoShow, ToRider, "Your driver waited for you and has left without you. Your ride from Caohejing to Lujiazui is over."},
		{Late, ToRider, "Your driver now picks you up at about 07:45 for your ride from Caohejing to Lujiazui, and you arrive at about 08:45."},
		{Cancelled, ToDriver, "The ride of a rider from Caohejing to Lujiazui is cancelled."},
	}
	for _, tt := range tests {
		if got := said(English, tt.ev, tt.to, ride); got != tt.want {
			t.Errorf("%s to %s:\n got %q\nwant %q", tt.ev, tt.to, got, tt.want)
		}
	}
	ride.Fee = 1234
	const want = "Your ride from Caohejing to Lujiazui is cancelled at a cost of 12.34 CNY. The rest of the money held for it is released."
	if got := said(English, Cancelled, ToRider, ride); got != want {
		t.Errorf("late: %q", got)
	}
	ride.Aboard = true
	if got, want := said(English, Late, ToRider, ride), "Your ride from Caohejing to Lujiazui now arrives at about 08:45."; got != want {
		t.Errorf("in the car:\n got %q\nwant %q", got, want)
	}
}

func TestRecipients(t *testing.T) {
	rider, driver, other := uuid.New(), uuid.New(), uuid.New()
	s := New(Deps{Rides: &world{share: []uuid.UUID{other}}})
	full := Ride{RiderID: rider, DriverID: driver, Shared: true}
	alone := Ride{RiderID: rider}
	tests := []struct {
		ride Ride
		to   Audience
		want []uuid.UUID
	}{
		{full, ToRider, []uuid.UUID{rider}},
		{full, ToDriver, []uuid.UUID{driver}},
		{full, ToOthers, []uuid.UUID{other}},
		{alone, ToRider, []uuid.UUID{rider}},
		{alone, ToDriver, nil},
		{alone, ToOthers, nil},
		{Ride{RiderID: rider, DriverID: driver}, ToOthers, nil}, // nobody is asked for: nobody else is on the plan
		{full, "everyone", nil},
	}
	for _, tt := range tests {
		if got, err := s.recipients(t.Context(), tt.ride, tt.to); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("to %s: %v, %v, want %v", tt.to, got, err, tt.want)
		}
	}
}

func TestMask(t *testing.T) {
	for phone, want := range map[string]string{
		"+8613800138000": "+86138****8000",
		"+12025550123":   "+120****0123",
		"+1234567":       "****4567",
		"+12":            "***",
		"":               "",
	} {
		if got := mask(phone); got != want {
			t.Errorf("mask(%q) = %q, want %q", phone, got, want)
		}
	}
}
