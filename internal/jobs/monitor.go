package jobs

import (
	"context"
	"fmt"
	"time"
)

// readable is asynqmon's payload formatter: it shows the arguments behind the
// id that the payload is.
func (c *core) readable(_ string, payload []byte) string {
	id, generation, err := parsePayload(payload)
	if err != nil {
		return string(payload)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	row, err := c.load(ctx, id)
	if err != nil {
		return string(payload)
	}
	args := row.Args
	if row.Sealed {
		args = "•••• (encrypted)"
	}
	text := fmt.Sprintf("%s job=%s", args, id)
	if row.FlowID.Valid {
		text += fmt.Sprintf(" flow=%s stage=%s/%d", row.FlowID.UUID, row.Branch, row.Stage+1)
	}
	if generation > 0 {
		text += fmt.Sprintf(" delivery=%d", generation+1)
	}
	return text
}
