package jobs

import (
	"testing"
	"time"
)

func TestNewsOfQueues(t *testing.T) {
	const every = time.Second
	n, at := newNews(every), time.Unix(1000, 0)
	expects := func(queue string, want bool) {
		t.Helper()
		if got := n.expects(queue, at); got != want {
			t.Errorf("%s is worth a look: %v, want %v", queue, got, want)
		}
	}
	expects("a", true)
	n.asked("a")
	expects("a", false)
	expects("b", true)
	n.heard("a") // also while the answer is under way
	expects("a", true)

	n.asked("a")
	n.asked("b")
	at = at.Add(every - 1)
	expects("a", false)
	if left := n.left(at); left != 1 {
		t.Errorf("%s are left, want 1ns", left)
	}
	at = at.Add(1)
	expects("a", true) // word may have been lost
	expects("b", true)
}
