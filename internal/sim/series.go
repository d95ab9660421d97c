package sim

import "time"

// series draws up what happened second by second, until the last that something did.
func series(orders []outcome, samples []sampled) []Second {
	end := time.Duration(0)
	for _, o := range orders {
		end = max(end, o.due, o.due+o.answer+o.confirm)
	}
	if len(orders) == 0 {
		return []Second{}
	}
	all := make([]Second, int(end/time.Second)+1)
	for i := range all {
		all[i].At = i
	}
	for _, s := range samples {
		if i := int(s.at / time.Second); s.queues != nil && i < len(all) {
			pending, active := s.tasks()
			all[i].Pending, all[i].Active = &pending, &active
		}
	}
	for _, o := range orders {
		all[o.due/time.Second].Offered++
		answered := &all[(o.due+o.answer)/time.Second]
		if !o.accepted() {
			answered.Refused++
			continue
		}
		answered.Accepted++
		if o.confirm > 0 {
			// By the server's own times, whatever its clock says.
			all[(o.due+o.answer+o.confirm)/time.Second].Confirmed++
		}
	}
	latencies(all, orders)
	return all
}

// latencies fills in the distributions of the orders, earliest first, that were
// due in each second.
func latencies(all []Second, orders []outcome) {
	m := measure{hist: newHistogram()}
	for len(orders) > 0 {
		at := orders[0].due / time.Second
		n := 1
		for n < len(orders) && orders[n].due/time.Second == at {
			n++
		}
		s := &all[at]
		s.Accept = m.latency(orders[:n], outcome.accept)
		s.Confirm = m.latency(orders[:n], outcome.toConfirm)
		s.Lag = m.latency(orders[:n], outcome.late)
		orders = orders[n:]
	}
}
