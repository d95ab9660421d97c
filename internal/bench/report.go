package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is what came of a run. Lengths are metres, times seconds.
type Report struct {
	Instance    string  `json:"instance"`
	Policy      string  `json:"policy"`
	Vehicles    int     `json:"vehicles"`
	Orders      int     `json:"orders"`
	Served      int     `json:"served"`
	ServedShare float64 `json:"served_share"`
	Base        float64 `json:"base_m"`   // the direct ways of all orders, and of vehicles with a destination
	Driven      float64 `json:"driven_m"` // by all vehicles
	Lost        float64 `json:"lost_m"`   // the direct ways of the orders not served
	CostBase    float64 `json:"cost_base"`
	Wait        float64 `json:"mean_wait_s"`   // from the earliest pickup to the pickup
	Detour      float64 `json:"mean_detour_s"` // how much longer than the direct way the ride took

	// Of the dispatcher alone. An order decided together with others took its share.
	OrderP50    float64 `json:"order_p50_s"`
	OrderP99    float64 `json:"order_p99_s"`
	OrderMax    float64 `json:"order_max_s"`
	LongestPass float64 `json:"longest_pass_s"` // the window's decisions and the improvement
	Dispatching float64 `json:"dispatching_s"`  // everything, also following the vehicles
	Preparation float64 `json:"preparation_s"`  // roads, and the dispatcher's index of the vehicles
	Took        float64 `json:"took_s"`         // with moving the vehicles
	Memory      uint64  `json:"memory_bytes"`   // in use at the end
}

// Saved returns the share of the base that was not driven.
func (r Report) Saved() float64 { return 1 - r.CostBase }

func (r *run) report(in Instance) Report {
	w := r.world
	rep := Report{
		Instance: in.Name, Policy: r.Settings.Policy, Vehicles: len(w.cars), Orders: len(w.rides), Driven: w.driven,
		OrderP50: r.watch.quantile(0.50), OrderP99: r.watch.quantile(0.99), OrderMax: r.watch.quantile(1),
		LongestPass: r.watch.longest.Seconds(), Dispatching: r.watch.dispatching.Seconds(),
		Preparation: (r.Prepared + r.watch.prepared).Seconds(), Took: time.Since(r.watch.began).Seconds(), Memory: inUse(r),
	}
	for _, c := range w.cars {
		if c.Dest != nil {
			rep.Base += w.ground.Leg(c.At, *c.Dest).Metres
		}
	}
	for _, o := range w.rides {
		rep.Base += o.direct.Metres
		if !o.served {
			rep.Lost += o.direct.Metres
			continue
		}
		rep.Served++
		rep.Wait += (o.picked - o.Early).Seconds()
		rep.Detour += (o.dropped - o.picked - o.direct.Duration).Seconds()
	}
	rep.ServedShare = float64(rep.Served) / float64(rep.Orders)
	rep.CostBase = (rep.Driven + rep.Lost) / rep.Base
	rep.Wait /= float64(max(rep.Served, 1))
	rep.Detour /= float64(max(rep.Served, 1))
	return rep
}

// inUse returns how many bytes are reachable, what is kept included.
func inUse(kept any) uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	runtime.KeepAlive(kept)
	return m.HeapAlloc
}

// Table writes the report as a table to w.
func (r Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("instance", "%s", r.Instance)
	row("policy", "%s", r.Policy)
	row("vehicles", "%d", r.Vehicles)
	row("orders", "%d", r.Orders)
	row("served", "%d\t%.2f %%", r.Served, 100*r.ServedShare)
	row("base", "%.0f m", r.Base)
	row("driven", "%.0f m", r.Driven)
	row("lost", "%.0f m", r.Lost)
	row("cost/base", "%.4f", r.CostBase)
	row("saved", "%.2f %%", 100*r.Saved())
	row("mean wait", "%.1f s", r.Wait)
	row("mean detour", "%.1f s", r.Detour)
	row("time per order p50", "%.3f ms", 1000*r.OrderP50)
	row("time per order p99", "%.3f ms", 1000*r.OrderP99)
	row("time per order max", "%.3f ms", 1000*r.OrderMax)
	row("longest window and improvement", "%.1f ms", 1000*r.LongestPass)
	row("dispatcher, everything", "%.2f s", r.Dispatching)
	row("preparation", "%.2f s", r.Preparation)
	row("memory in use", "%.1f MB", float64(r.Memory)/1e6)
	row("took", "%.2f s", r.Took)
	return t.Flush()
}

// JSON writes the report as an indented JSON object to w.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// stopwatch keeps how long the dispatcher took.
type stopwatch struct {
	began       time.Time
	prepared    time.Duration
	orders      []time.Duration
	longest     time.Duration
	dispatching time.Duration
}

// quantile returns the seconds that so large a share of the orders took at most.
func (s *stopwatch) quantile(q float64) float64 {
	if len(s.orders) == 0 {
		return 0
	}
	slices.Sort(s.orders)
	return s.orders[int(q*float64(len(s.orders)-1))].Seconds()
}

// time measures what the dispatcher does.
func (s *stopwatch) time(fn func()) time.Duration {
	began := time.Now()
	fn()
	took := time.Since(began)
	s.dispatching += took
	return took
}

// share notes that n orders were decided together.
func (s *stopwatch) share(took time.Duration, n int) {
	for range n {
		s.orders = append(s.orders, took/time.Duration(n))
	}
}
