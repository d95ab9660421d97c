package bench

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"
)

// event is what a row of the decision log tells.
type event string

// The events, in checkmatch's words.
const (
	assigned   event = "assign"   // the order was given to the vehicle
	unassigned event = "unassign" // the order was taken from it again
	pickedUp   event = "pickup"
	droppedOff event = "dropoff"
	moved      event = "move" // the plan changed and no order came or went
)

// entry is a row of the decision log.
type entry struct {
	vehicle int
	at      time.Duration // when the vehicle is at the node
	node    int32
	event   event
	order   int           // not of a move
	decided time.Duration // of a decision: when it was made; the vehicle is at the node then or later
}

// decisionLog writes entries as CSV, those of one vehicle in the order in which
// they happened. A nil log writes nothing.
type decisionLog struct{ csv *csv.Writer }

// newDecisionLog returns a log on w, or nil without a w.
func newDecisionLog(w io.Writer) *decisionLog {
	if w == nil {
		return nil
	}
	l := &decisionLog{csv.NewWriter(w)}
	_ = l.csv.Write([]string{"vehicle", "time_s", "node", "event", "order", "decided_s"}) // the writer keeps its first error
	return l
}

func (l *decisionLog) add(e entry) {
	if l == nil {
		return
	}
	order, decided := "", ""
	if e.event != moved {
		order = strconv.Itoa(e.order)
	}
	if e.event != pickedUp && e.event != droppedOff {
		decided = clockTime(e.decided)
	}
	_ = l.csv.Write([]string{
		strconv.Itoa(e.vehicle), clockTime(e.at), strconv.Itoa(int(e.node)), string(e.event), order, decided,
	})
}

// close writes what is left and returns the first error.
func (l *decisionLog) close() error {
	if l == nil {
		return nil
	}
	l.csv.Flush()
	return l.csv.Error()
}

// clockTime returns the seconds, to the millisecond.
func clockTime(t time.Duration) string {
	return strconv.FormatFloat(float64(t.Milliseconds())/1000, 'f', -1, 64)
}

// writePairs writes a row for each order that was served: on which vehicle, and in
// which minute since the beginning that was decided for good.
func (w *world) writePairs(out io.Writer) error {
	rows := csv.NewWriter(out)
	_ = rows.Write([]string{"vehicle", "order", "decided_min"}) // the writer keeps its first error
	for _, r := range w.rides {
		if r.served {
			decided := strconv.FormatFloat(r.decided.Minutes(), 'f', -1, 64)
			_ = rows.Write([]string{strconv.Itoa(r.car.ID), strconv.Itoa(r.ID), decided})
		}
	}
	rows.Flush()
	return rows.Error()
}
