package jobs

import (
	"sync"
	"time"
)

// news is which queues may hold tasks, as far as a worker has heard. A look then
// leaves alone those that were empty at the last one and have not been announced
// since: a worker is woken for one queue, not for all of them.
type news struct {
	every time.Duration // all queues are looked at so often unbidden: word may be lost

	mu    sync.Mutex
	empty map[string]bool
	all   time.Time // when that was last due
}

func newNews(every time.Duration) *news { return &news{every: every, empty: map[string]bool{}} }

// heard notes that a queue may hold tasks.
func (n *news) heard(queue string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.empty, queue)
}

// asked notes that a queue is about to be asked for tasks: what is heard from now
// on is news again. Whoever finds that it is not empty calls heard.
func (n *news) asked(queue string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.empty[queue] = true
}

// expects reports whether a queue is worth a look.
func (n *news) expects(queue string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.all) >= n.every {
		clear(n.empty)
		n.all = now
	}
	return !n.empty[queue]
}

// left returns how long it is until all queues are worth a look.
func (n *news) left(now time.Time) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(0, n.every-now.Sub(n.all))
}
