package bench

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// verdict is what the judge finds in a log.
type verdict struct {
	served, driven int
	wait, detour   float64
	broken         []string
}

// judge replays a decision log as checkmatch does: it believes the log nothing.
func judge(m *town, in Instance, log []byte) (v verdict) {
	fail := func(format string, args ...any) { v.broken = append(v.broken, fmt.Sprintf(format, args...)) }
	orders, cars := map[int]Order{}, map[int]Vehicle{}
	for _, o := range in.Orders {
		orders[o.ID] = o
	}
	for _, c := range in.Vehicles {
		cars[c.ID] = c
	}
	reader := csv.NewReader(bytes.NewReader(log))
	rows, err := reader.ReadAll()
	if err != nil || len(rows) == 0 {
		fail("unreadable: %v", err)
		return v
	}
	number := func(text string) float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			fail("not a number: %q", text)
		}
		return f
	}
	byCar := map[int][][]string{}
	for _, r := range rows[1:] {
		id := int(number(r[0]))
		byCar[id] = append(byCar[id], r)
	}
	first, picked, dropped := map[int]float64{}, map[int]float64{}, map[int]float64{}
	const slack = 0.01
	for _, id := range slices.Sorted(maps.Keys(byCar)) {
		at, now := cars[id].At.Node, cars[id].Start.Seconds()
		held, aboard := map[int]bool{}, map[int]int{}
		for _, r := range byCar[id] {
			t, node := number(r[1]), int32(number(r[2]))
			d := m.dist[at][node]
			if t+slack < now+float64(d)/speed {
				fail("%v: %d m since %.1f s", r, d, now)
			}
			v.driven += d
			at, now = node, t
			if r[3] == "move" {
				continue
			}
			order := int(number(r[4]))
			o, known := orders[order]
			early, late, announced := o.Early.Seconds(), o.Late.Seconds(), o.Known.Seconds()
			if !known {
				fail("%v: unknown order", r)
			}
			switch r[3] {
			case "assign":
				made := number(r[5])
				if made < announced || t < made || t > max(made, cars[id].Start.Seconds())+60 || held[order] {
					fail("%v: assigned at %.1f, known from %.1f", r, made, announced)
				}
				held[order] = true
				if f, ok := first[order]; !ok || made < f {
					first[order] = made
				}
			case "unassign":
				if _, in := aboard[order]; !held[order] || in {
					fail("%v: not held, or aboard", r)
				}
				delete(held, order)
			case "pickup":
				if _, twice := picked[order]; !held[order] || node != o.From.Node || t+slack < early || twice {
					fail("%v: picked up wrongly", r)
				}
				picked[order], aboard[order] = t, o.Seats
				load := 0
				for _, seats := range aboard {
					load += seats
				}
				if load > cars[id].Seats {
					fail("%v: %d seats taken of %d", r, load, cars[id].Seats)
				}
			case "dropoff":
				if _, in := aboard[order]; !in || node != o.To.Node || t > late+slack {
					fail("%v: dropped off wrongly", r)
				}
				dropped[order] = t
				delete(aboard, order)
				delete(held, order)
			default:
				fail("%v: unknown event", r)
			}
		}
		if c := cars[id]; c.Dest != nil && now+m.Leg(m.Node(int(at)), *c.Dest).Duration.Seconds() > c.End.Seconds()+slack {
			fail("vehicle %d cannot be at its end by %v", id, c.End)
		}
		if len(aboard)+len(held) > 0 {
			fail("vehicle %d ends with %v held and %v aboard", id, held, aboard)
		}
	}
	for id, o := range orders {
		t, ok := dropped[id]
		if _, promised := first[id]; promised && !ok {
			fail("order %d was assigned and then dropped", id)
		}
		if !ok {
			continue
		}
		v.served++
		v.wait += picked[id] - o.Early.Seconds()
		v.detour += t - picked[id] - m.Leg(o.From, o.To).Duration.Seconds()
		if late := first[id] - o.Known.Seconds(); late > 60+slack {
			fail("order %d was assigned after %.1f s", id, late)
		}
	}
	return v
}
