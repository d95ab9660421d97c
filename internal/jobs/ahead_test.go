package jobs

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// What a job was when it was written is used for its run only for a moment: while
// Redis kept the courier waiting, its flow may have been cancelled.
func TestARowThatWaitedLongForRedisIsReadAnew(t *testing.T) {
	for waited, used := range map[time.Duration]bool{0: true, aheadMost: false} {
		ps := make([]*parcel, 2)
		for i := range ps {
			d := delivery{id: uuid.Must(uuid.NewV7()), row: &jobRow{}}
			ps[i] = &parcel{delivery: d, sent: time.Now()}
		}
		ps[1].sent = ps[1].sent.Add(-waited)
		a := &aheads{}
		a.use(written(rowsOf(ps)), []string{ps[0].payload()})
		if row := a.take(ps[0].payload(), ps[0].id); (row != nil) != used {
			t.Errorf("after %s the row is used: %v, want %v", waited, row != nil, used)
		}
	}
}
