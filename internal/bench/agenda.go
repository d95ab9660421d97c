package bench

import (
	"cmp"
	"container/heap"
	"time"
)

// agenda says which cars are due when. An entry that a later one for the same car
// has replaced stays in it: who takes entries out knows which count.
type agenda []duty

// duty is a car's time on an agenda.
type duty struct {
	at  time.Duration
	car *car
}

func (a *agenda) add(c *car, at time.Duration) { heap.Push(a, duty{at, c}) }

// take takes out the first entry, by time and then by the car's id, that is due by now.
func (a *agenda) take(now time.Duration) (d duty, ok bool) {
	if len(*a) == 0 || (*a)[0].at > now {
		return d, false
	}
	return heap.Pop(a).(duty), true
}

// Len implements heap.Interface.
func (a agenda) Len() int { return len(a) }

// Less implements heap.Interface.
func (a agenda) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].at, a[j].at), cmp.Compare(a[i].car.ID, a[j].car.ID)) < 0
}

// Swap implements heap.Interface.
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements heap.Interface.
func (a *agenda) Push(x any) { *a = append(*a, x.(duty)) }

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	(*a)[last] = duty{}
	*a = (*a)[:last]
	return e
}
