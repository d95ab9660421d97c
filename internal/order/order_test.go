package order

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

var all = []Status{Matching, Matched, Confirmed, Riding, Completed, NoShow, Cancelled, Expired}

func TestTransitions(t *testing.T) {
	allowed := map[[2]Status]bool{
		{Matching, Matched}: true, {Matching, Cancelled}: true, {Matching, Expired}: true,
		{Matched, Confirmed}: true, {Matched, Cancelled}: true, {Matched, Expired}: true,
		{Confirmed, Riding}: true, {Confirmed, NoShow}: true, {Confirmed, Cancelled}: true, {Confirmed, Matching}: true,
		{Riding, Completed}: true,
	}
	for _, from := range all {
		for _, to := range all {
			if from.Can(to) != allowed[[2]Status{from, to}] {
				t.Errorf("%s to %s: %v", from, to, from.Can(to))
			}
		}
		before := map[Status]bool{}
		for _, b := range from.before() {
			before[b] = true
		}
		for _, b := range all {
			if before[b] != allowed[[2]Status{b, from}] {
				t.Errorf("%s is before %s: %v", b, from, before[b])
			}
		}
	}
}

func TestStatusSets(t *testing.T) {
	for s, want := range map[Status]struct{ known, seated, active bool }{
		Matching:  {known: true, active: true},
		Matched:   {known: true, seated: true, active: true},
		Confirmed: {known: true, seated: true, active: true},
		Riding:    {known: true, seated: true, active: true},
		Completed: {known: true},
		NoShow:    {known: true},
		Cancelled: {known: true},
		Expired:   {known: true},
		"":        {},
		"lost":    {},
	} {
		isActive := false
		for _, a := range active {
			isActive = isActive || a == s
		}
		if s.Known() != want.known || (Order{Status: s}).Seated() != want.seated || isActive != want.active {
			t.Errorf("%q: known %v, seated %v, active %v, want %+v", s, s.Known(), Order{Status: s}.Seated(), isActive, want)
		}
	}
}

func TestFulfilReadsAsASentence(t *testing.T) {
	const want = "match:find_trip → pay:hold → order:confirm, or else order:give_up"
	if got := Fulfil(uuid.New(), noon).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJobs(t *testing.T) {
	id := uuid.MustParse("01920000-0000-7000-8000-000000000001")
	for kind, job := range map[string]jobs.Job{"order:confirm": Confirm(id), "order:give_up": GiveUp(id)} {
		if got := string(job.Args()); job.Kind() != kind || got != `{"order_id":"01920000-0000-7000-8000-000000000001"}` {
			t.Errorf("%s %s, want %s of the order", job.Kind(), got, kind)
		}
	}
}

func TestTags(t *testing.T) {
	id, lost := uuid.New(), uuid.New()
	order, both := []string{"order:" + id.String()}, []string{"order:" + id.String(), "trip:" + lost.String()}
	for _, c := range []struct{ got, want []string }{
		{confirmKind.Tags(orderArgs{id}), order}, {giveUpKind.Tags(orderArgs{id}), order}, {rematchKind.Tags(rematchArgs{id, lost, true}), both},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("tags %v, want %v", c.got, c.want)
		}
	}
}
