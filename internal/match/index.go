package match

import (
	"slices"

	"github.com/golang/geo/s2"

	"github.com/spotpool/spotpool/internal/geo"
)

// index finds the routes that can stop at a place. Each route stands in the
// cells of its corridor, all of one level, so that a place has one cell to ask
// for each level in use and meets no route twice.
type index struct {
	cells  map[s2.CellID][]*route
	levels [s2.MaxLevel + 1]int // how many routes use each level
}

func (x *index) add(r *route) {
	x.levels[r.level]++
	for _, c := range r.cells {
		x.cells[c] = append(x.cells[c], r)
	}
}

func (x *index) remove(r *route) {
	x.levels[r.level]--
	for _, c := range r.cells {
		routes := x.cells[c]
		i, n := slices.Index(routes, r), len(routes)-1
		routes[i], routes[n] = routes[n], nil
		if x.cells[c] = routes[:n]; n == 0 {
			delete(x.cells, c)
		}
	}
}

// near appends to the list the routes whose corridor holds both places; some
// of them a little beside it.
func (x *index) near(list []*route, pickup, dropoff geo.Point) []*route {
	from, to := s2.CellIDFromLatLng(latLng(pickup)), s2.CellIDFromLatLng(latLng(dropoff))
	for level, n := range x.levels {
		if n == 0 {
			continue
		}
		there := to.Parent(level)
		for _, r := range x.cells[from.Parent(level)] {
			if _, ok := slices.BinarySearch(r.cells, there); ok {
				list = append(list, r)
			}
		}
	}
	return list
}
