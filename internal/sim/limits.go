package sim

import "fmt"

// Limit is what a part of the server can do by itself, measured without the load,
// against what the load had it do.
type Limit struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`
	Used      int64   `json:"used"` // from the first order to the end of the run
}

// perOrder returns how much of it an order took.
func (l Limit) perOrder(orders int) float64 { return float64(l.Used) / float64(max(orders, 1)) }

// orders returns how many orders a second the part could bear, were there nothing else.
func (l Limit) orders(confirmed int) float64 {
	if l.Used <= 0 {
		return 0
	}
	return l.PerSecond / l.perOrder(confirmed)
}

// limitNotes compares the highest rate carried with what the limits would allow.
func (r Report) limitNotes() (lines []string) {
	lowest := 0.0
	for _, l := range r.Limits {
		rate := l.orders(r.Total.Confirmed)
		lines = append(lines, fmt.Sprintf("Alone, the server manages %.0f %s a second; an order took %.1f: that allows %s.",
			l.PerSecond, l.Name, l.perOrder(r.Total.Confirmed), rateName(rate)))
		if lowest == 0 || rate < lowest {
			lowest = rate
		}
	}
	if lowest > 0 && r.Knee != nil {
		lines = append(lines, fmt.Sprintf("The highest step carried is %.0f %% of the lower.", 100**r.Knee/lowest))
	}
	return lines
}
