package bench

import (
	"reflect"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

func TestCity(t *testing.T) {
	plan := CityPlan{Vehicles: 40, Orders: 100, Over: 20 * time.Minute, Seed: 3}
	in := City(plan)
	if !reflect.DeepEqual(in, City(plan)) {
		t.Error("the same seed gives another city")
	}
	if plan.Seed = 4; reflect.DeepEqual(in.Orders, City(plan).Orders) {
		t.Error("another seed gives the same city")
	}
	for at := time.Duration(0); at < plan.Over; at += 30 * time.Second {
		open := 0
		for _, v := range in.Vehicles {
			if v.Known <= at && at < v.Start {
				open++
			}
		}
		if open != plan.Vehicles {
			t.Fatalf("%d drivers take orders at %v, want %d", open, at, plan.Vehicles)
		}
	}
	ground := Open{geo.DefaultTravel}
	for i, v := range in.Vehicles {
		if v.ID != i || v.Dest == nil || v.Seats < 1 || v.End <= v.Start+ground.Leg(v.At, *v.Dest).Duration {
			t.Fatalf("driver %d: %+v", i, v)
		}
	}
	for i, o := range in.Orders {
		if want := plan.Over * time.Duration(i) / 100; o.Known != want || o.Early != want || o.Until != want+time.Minute {
			t.Fatalf("order %d is known at %v, want %v: %+v", i, o.Known, want, o)
		}
	}
}

func TestTaxis(t *testing.T) {
	in := City(CityPlan{Vehicles: 40, Orders: 1, Over: time.Minute, Taxis: true})
	if len(in.Vehicles) != 40 || len(in.Orders) != 1 {
		t.Fatal(len(in.Vehicles), len(in.Orders))
	}
	for _, v := range in.Vehicles {
		if v.Dest != nil || v.Known != 0 || v.Start != 0 || v.Seats != taxiSeats {
			t.Fatalf("%+v", v)
		}
	}
}
