package match

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"
)

// insertion is a pair of places in a route: the pickup on leg pickup, the
// dropoff on leg dropoff, which may be the same leg.
type insertion struct {
	route           *route
	pickup, dropoff int
	cost            time.Duration // added, and what waiting weighs
	added           time.Duration // driving
	arrival         time.Duration // at the dropoff
}

// betterThan orders insertions: least cost, then earliest dropoff, then the
// smallest id.
func (a insertion) betterThan(b insertion) bool {
	switch {
	case b.route == nil || a.cost != b.cost:
		return b.route == nil || a.cost < b.cost
	case a.arrival != b.arrival:
		return a.arrival < b.arrival
	}
	return compare(a.route.path.ID, b.route.path.ID) < 0
}

func compare(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// via is a leg with another stop put on it.
type via struct {
	open     bool          // whether the stop can be made there, seen by itself
	to, from time.Duration // from the leg's begin to the stop, and on to its end
}

// A mount is a leg on which the order is picked up, as the dropoffs behind it
// see it.
type mount struct {
	leg  int
	cost time.Duration
	// shift is the arrival at any visit behind, less the driving from the start
	// to there. A visit is left at its planned time or at shift + driven,
	// whichever is later: a wait ahead takes up some of a delay, and no visit is
	// left earlier than planned.
	shift time.Duration
}

// inserter finds the best insertion of one ride into a route from what its stops
// would take on each leg.
//
// It passes over the legs once, as the dynamic programme of Tong, Zeng, Zhou,
// Chen, Ye, Xu: "A unified approach to route planning for shared mobility",
// PVLDB 11(11), 2018: a dropoff on a later leg takes the cheapest mount so far.
// Theirs has deadlines only, so that the cheapest mount is also the earliest.
// Here vehicles may wait for riders, and a dear mount may be early where a cheap
// one is late. So all mounts are kept to which no other is both as cheap and as
// early; among them the cheapest that is early enough is found by bisection.
// As long as nobody waits there is only one, and the time is linear in the plan;
// otherwise it is linear but for the logarithm of their number.
type inserter struct {
	ride     Ride
	now      time.Duration // no vehicle leaves its start before
	across   time.Duration // from the pickup straight to the dropoff
	waiting  float64       // weight of a rider's waiting, in driving time
	pickups  []via
	dropoffs []via
	mounts   []mount // earlier and dearer first
}

// into returns the best insertion of the ride into the route; its route is nil
// when there is none.
func (n *inserter) into(r *route) (found insertion) {
	n.mounts = n.mounts[:0]
	for j := range n.pickups {
		v, after := &r.visits[j], &r.visits[j+1]
		if v.load+n.ride.Seats > r.path.Seats {
			n.mounts = n.mounts[:0]
			continue
		}
		if drop := n.dropoffs[j]; drop.open {
			n.dropLater(r, j, drop, &found)
			n.dropAtOnce(r, j, drop, &found)
		}
		if pick := n.pickups[j]; pick.open {
			leave := max(n.leave(v)+pick.to, n.ride.Earliest)
			if leave+pick.from <= after.due {
				cost := n.weigh(v, pick.to+pick.from-v.leg) + n.wait(leave)
				n.mount(mount{leg: j, cost: cost, shift: leave + pick.from - after.driven})
			}
		}
	}
	return found
}

// dropAtOnce considers pickup and dropoff on the same leg.
func (n *inserter) dropAtOnce(r *route, j int, drop via, found *insertion) {
	v, pick := &r.visits[j], n.pickups[j]
	if !pick.open {
		return
	}
	leave := max(n.leave(v)+pick.to, n.ride.Earliest)
	arrival := leave + n.across
	if arrival > n.ride.Latest || arrival+drop.from > r.visits[j+1].due {
		return
	}
	added := pick.to + n.across + drop.from - v.leg
	found.improve(insertion{r, j, j, n.weigh(v, added) + n.wait(leave), added, arrival})
}

// dropLater considers a dropoff on leg j with the pickup on a leg before it.
func (n *inserter) dropLater(r *route, j int, drop via, found *insertion) {
	v := &r.visits[j]
	last := min(n.ride.Latest, r.visits[j+1].due-drop.from) - drop.to // to leave the visit
	leave := n.leave(v)
	if leave > last || len(n.mounts) == 0 {
		return
	}
	i := len(n.mounts) - 1
	if n.mounts[i].shift+v.driven > last {
		late, _ := slices.BinarySearchFunc(n.mounts, last-v.driven, func(m mount, shift time.Duration) int {
			if m.shift <= shift {
				return -1
			}
			return 1
		})
		if i = late - 1; i < 0 {
			return
		}
	}
	m, extra := n.mounts[i], drop.to+drop.from-v.leg
	pick, u := n.pickups[m.leg], &r.visits[m.leg]
	found.improve(insertion{
		r, m.leg, j, m.cost + n.weigh(v, extra),
		pick.to + pick.from - u.leg + extra, max(leave, m.shift+v.driven) + drop.to,
	})
}

// mount adds a mount and removes those that it makes pointless.
func (n *inserter) mount(m mount) {
	i, _ := slices.BinarySearchFunc(n.mounts, m.shift, func(o mount, shift time.Duration) int {
		if o.shift <= shift {
			return -1
		}
		return 1
	})
	if i > 0 && n.mounts[i-1].cost <= m.cost {
		return
	}
	end := i
	for end < len(n.mounts) && n.mounts[end].cost >= m.cost {
		end++
	}
	for i > 0 && n.mounts[i-1].shift == m.shift {
		i--
	}
	n.mounts = slices.Replace(n.mounts, i, end, m)
}

// leave returns when the vehicle goes on from v if it leaves its start now.
func (n *inserter) leave(v *visit) time.Duration { return max(v.leave, n.now+v.driven) }

// weigh returns what driving added on the leg from v costs: riders who are to be
// picked up behind it wait so much longer, unless a wait ahead takes it up.
func (n *inserter) weigh(v *visit, added time.Duration) time.Duration {
	if n.waiting == 0 {
		return added
	}
	return added + time.Duration(n.waiting*float64(v.pickups)*float64(max(added, 0)))
}

// wait returns what it costs that the ride is picked up so late.
func (n *inserter) wait(leave time.Duration) time.Duration {
	if n.waiting == 0 {
		return 0
	}
	return time.Duration(n.waiting * float64(leave-n.ride.Earliest))
}

// improve keeps the other insertion if it is better.
func (a *insertion) improve(b insertion) {
	if b.route != nil && b.betterThan(*a) {
		*a = b
	}
}
