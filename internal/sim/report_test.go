package sim

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// sample is a report of two steps.
func sampleReport() Report {
	pending := 12
	second := func(at, offered int, p99 Seconds) Second {
		l := Latency{Count: 5, P50: p99 / 4, P90: p99 / 2, P99: p99, P999: p99, Max: p99}
		return Second{At: at, Offered: offered, Accepted: offered, Confirmed: offered - 1, Accept: l, Confirm: l, Lag: l, Pending: &pending, Active: &pending}
	}
	f := func(rate float64, offered int, from, to Seconds) Figures {
		return Figures{
			Rate: rate, From: from, To: to, Offered: offered, Accepted: offered - 3, Refused: map[string]int{"too_many_orders": 2, "http_502": 1},
			Matched: offered - 4, Confirmed: offered - 5, Expired: 1, Unfinished: 1,
			Accept:  Latency{100, 5 * ms, 8 * ms, 12300 * ms / 1000, 41 * ms, 45 * ms},
			Confirm: Latency{100, 50 * ms, 80 * ms, 1500 * ms, 75_200 * ms, 123_000 * ms},
			Queue:   Depth{10, 2.5, 7, map[string]int{"sms": 6}}, Pooled: 0.5, Detour: Detour{95, 1.1, 1.25},
			Generator: Generator{Lag: Latency{Count: 1, P99: 2 * ms}, CPU: 0.1}, Carried: rate == 5,
		}
	}
	r := Report{
		Settings: []Setting{{"load", "<script>alert(1)</script>"}}, Took: 8000 * ms, Trips: 600, TripsRefused: map[string]int{"depart_at_in_the_past": 2},
		Retried: map[string]int{"unreachable": 3}, Observed: 4, SLO: 1000 * ms,
		Steps: []Figures{f(5, 100, 0, 4000*ms), f(10, 200, 4000*ms, 8000*ms)}, Total: f(0, 310, 0, 8000*ms),
		Warnings: []string{"the generator limps"}, Audit: []Rule{{"no seat oversold", nil}, {"no flow stuck", []string{"flow 7"}}},
	}
	for i := range 8 {
		r.Series = append(r.Series, second(i, 5+i, Seconds(i+1)*20*ms))
	}
	r.Knee = knee(r.Steps)
	return r
}

func TestTable(t *testing.T) {
	var w strings.Builder
	if err := sampleReport().Table(&w); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(w.String()), " ")
	for _, want := range []string{
		"5/s 10/s total orders offered 100 200 310 accepted 97 197 307",
		"refused, http_502 1 1 1 refused, too_many_orders 2 2 2",
		"confirmed 95 (97.9 %) 195 (99.0 %) 305 (99.3 %)",
		"due to accepted p50 5.00 ms 5.00 ms 5.00 ms p90 8.00 ms 8.00 ms 8.00 ms p99 12.3 ms",
		"accepted to matched p50 - - -",
		"accepted to confirmed p50 50.0 ms 50.0 ms 50.0 ms p90 80.0 ms 80.0 ms 80.0 ms p99 1.50 s 1.50 s 1.50 s p99.9 75.2 s 75.2 s 75.2 s max 123 s",
		"tasks queued mean 2.5 2.5 2.5 max 7 7 7 max of sms 6 6 6",
		"pooled 50.0 % 50.0 % 50.0 % ride / direct, mean 1.10 1.10 1.10 ride / direct, p90 1.25",
		"sent late, p99 2.00 ms",
		"600 trips were offered, 2 refused (depart_at_in_the_past 2); the run took 8.00 s.",
		"tried again after unreachable 3;",
		"the server's own, waiting for a suitable trip included, but for 4 orders,",
		"kept 1.00 s at p99, to the accept and from there to the confirmation: 5/s.",
		"WARNING: the generator limps",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, w.String())
		}
	}
	w.Reset()
	if err := (Report{}).Table(&w); err != nil || !strings.Contains(w.String(), "0 (0.0 %)") || !strings.Contains(w.String(), "No step kept") {
		t.Error(err, w.String())
	}
}

func TestJSONIsInSeconds(t *testing.T) {
	raw, err := json.Marshal(sampleReport())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"took_seconds":8,`, `"knee_per_second":5,`, `"p99_9":75.2`, `"rate_per_second":10`, `"max_of":{"sms":6}`, `"observed":4`,
		`"audit":[{"rule":"no seat oversold","findings":null}`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in\n%s", want, raw)
		}
	}
}

func TestThePageHoldsTheCurves(t *testing.T) {
	var w strings.Builder
	if err := sampleReport().HTML(&w); err != nil {
		t.Fatal(err)
	}
	page := w.String()
	if n := strings.Count(page, "<svg "); n != 5 {
		t.Errorf("%d drawings", n)
	}
	if n := strings.Count(page, "<polyline "); n != 3+3+3+2+1 {
		t.Errorf("%d curves", n)
	}
	for _, want := range []string{
		"&lt;script&gt;", "the generator limps", "prefers-color-scheme: dark", `<span class="bad">broken</span> no flow stuck: 1 findings`,
		`<rect x="50" y="0" width="50" height="100"/>`, ">10/s</span>", `<tr class="head"><th>accepted to confirmed</th>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "<link", "src=", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	w.Reset()
	if err := (Report{}).HTML(&w); err != nil || strings.Count(w.String(), "Nothing was measured.") != 5 || strings.Contains(w.String(), "NaN") {
		t.Errorf("a page of nothing: %v\n%s", err, w.String())
	}
}

func TestCurvesAreWhereTheirValuesAre(t *testing.T) {
	r := sampleReport()
	offered := r.charts()[0]
	// Eight seconds, of which the first offers 5 and the last 12 on an axis to 15.
	points := strings.Fields(offered.Lines[0].Points)
	if len(points) != 8 || points[0] != "62.5,666.7" || points[7] != "937.5,200.0" {
		t.Errorf("points %v", points)
	}
	if last := offered.Ticks[len(offered.Ticks)-1]; last != (tick{100, "15"}) || offered.Limit != nil {
		t.Errorf("ticks %v, limit %v", offered.Ticks, offered.Limit)
	}
	// From 1 ms to 1 s, the limit, in three decades.
	accept := r.charts()[1]
	if len(accept.Ticks) != 4 || accept.Ticks[0].Label != "1 ms" || accept.Ticks[3].Label != "1 s" || accept.Limit.At != 100 {
		t.Errorf("ticks %v, limit %v", accept.Ticks, accept.Limit)
	}
	if got := strings.Fields(accept.Lines[0].Points)[4]; got != "562.5,333.3" { // 100 ms
		t.Errorf("100 ms is at %s", got)
	}
}

func TestDurationsAreReadable(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 410 * time.Microsecond: "0.41 ms", 12345 * time.Microsecond: "12.3 ms", 999 * time.Millisecond: "999 ms",
		1840 * time.Millisecond: "1.84 s", 75234 * time.Millisecond: "75.2 s", 20 * time.Minute: "1200 s", 9999 * time.Millisecond: "10.0 s",
	} {
		if got := Seconds(d).String(); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestRoundSteps(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.5: 2, 3: 5, 7: 10, 13: 20, 450: 500} {
		if got := roundStep(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%g rounds to %g, want %g", v, got, want)
		}
	}
}
